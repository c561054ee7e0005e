"""Secrets at rest: encryption with keys that can be rotated, and keyed digests."""

import hmac
from collections.abc import Sequence

from cryptography.fernet import Fernet, InvalidToken, MultiFernet


class WrongKey(Exception):
    """What is stored was encrypted with a key that is not among REPLYLOG_SECRET_KEYS."""


def new_key() -> str:
    """A fresh key for REPLYLOG_SECRET_KEYS."""
    return Fernet.generate_key().decode()


class Secrets:
    """Encrypts with the first of `keys` and decrypts with any of them."""

    def __init__(self, keys: Sequence[str]) -> None:
        if not keys:
            raise ValueError("at least one key is needed")
        self._fernet = MultiFernet([Fernet(key) for key in keys])

    def encrypt(self, plain: bytes) -> bytes:
        return self._fernet.encrypt(plain)

    def decrypt(self, token: bytes) -> bytes:
        """The plain bytes; raises WrongKey when no key fits or the token was changed."""
        try:
            return self._fernet.decrypt(token)
        except InvalidToken:
            raise WrongKey("none of REPLYLOG_SECRET_KEYS decrypts what is stored") from None

    def rotate(self, token: bytes) -> bytes:
        """The same secret, encrypted with the first key; raises WrongKey as `decrypt` does."""
        return self.encrypt(self.decrypt(token))


def digest(key: bytes, text: str) -> str:
    """Keyed digest of `text` (HMAC-SHA256, hex): equal texts can be found, none can be read back."""
    return hmac.new(key, text.encode("utf-8", "surrogatepass"), "sha256").hexdigest()
