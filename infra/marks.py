"""Marks by which an event of Google's names an account or a token of ours. Of a refresh token only
digests are kept."""

import base64
import hashlib

PREFIX = 16  # characters of a refresh token that Google names it by


def by_subject(subject: str) -> str:
    """Of the account with Google's number `subject`."""
    return f"sub:{subject}"


def by_hash(digest: str) -> str:
    """Of the token with this `hash_base64_sha512_sha512`, in either alphabet of base64."""
    return "hash:" + digest.replace("-", "+").replace("_", "/").rstrip("=")


def by_prefix(prefix: str) -> str:
    """Of the token that begins so."""
    return "prefix:" + hashlib.sha256(prefix[:PREFIX].encode()).hexdigest()


def of_token(token: str) -> tuple[str, str]:
    """Both marks of a refresh token: by its hash, and by its beginning. "" for none."""
    if not token:
        return "", ""
    twice = hashlib.sha512(hashlib.sha512(token.encode()).digest()).digest()
    return by_hash(base64.b64encode(twice).decode()), by_prefix(token)
