"""A real SMTP server that keeps what it is given, for tests."""

import ipaddress
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage, Message
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Message as KeepingHandler
from aiosmtpd.smtp import AuthResult, LoginPassword
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID


class Letterbox(KeepingHandler):
    """`letters` that came; the next ones are answered with the replies in `refusals`."""

    def __init__(self) -> None:
        super().__init__(EmailMessage)
        self.letters: list[EmailMessage] = []
        self.refusals: list[str] = []
        self.lost = 0  # so many answers come after the letter was taken, and say that it was not

    def handle_message(self, message: Message) -> None:
        self.letters.append(message_from_bytes(message.as_bytes(), policy=policy.default))

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        if self.refusals:
            return self.refusals.pop(0)
        answer = str(await super().handle_DATA(server, session, envelope))
        if self.lost:
            self.lost -= 1
            return "451 try again"
        return answer


@contextmanager
def serving(
    certificate: Path | None = None, *, wrapped: bool = False, password: str = ""
) -> Iterator[tuple[Letterbox, int]]:
    """A letterbox and the port of its server: plain, with STARTTLS, or `wrapped` in TLS."""
    box = Letterbox()
    tls = None
    if certificate:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(certificate)
    more: dict[str, Any] = {}
    if password:

        def known(_server: Any, _session: Any, _envelope: Any, _how: Any, data: Any) -> AuthResult:
            good = isinstance(data, LoginPassword) and data.password == password.encode()
            return AuthResult(success=good)

        more = {"authenticator": known, "auth_required": not wrapped}
        more["auth_require_tls"] = not wrapped  # the server does not count its own wrapping
    if wrapped:
        more["ssl_context"] = tls
    elif tls:
        more |= {"tls_context": tls, "require_starttls": True}
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        port = held.getsockname()[1]
    controller = Controller(box, hostname="127.0.0.1", port=port, **more)
    controller.start()
    try:
        yield box, port
    finally:
        controller.stop()


def certificate(folder: Path) -> Path:
    """A file with a key and a self-signed certificate for 127.0.0.1."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    here = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(here, critical=False)
        .sign(key, hashes.SHA256())
    )
    file = folder / "server.pem"
    text = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    file.write_bytes(text + made.public_bytes(Encoding.PEM))
    return file
