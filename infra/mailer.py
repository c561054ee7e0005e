"""Sends mail by the SMTP server of the settings: notices to users, nothing else."""

import smtplib
import ssl
from dataclasses import dataclass, field
from email.message import EmailMessage
from urllib.parse import unquote, urlsplit

from infra.values import is_loopback

TIMEOUT = 6.0  # seconds for each step of the talk
PORTS = {"smtp": 587, "smtps": 465}


class NotSent(Exception):
    """The server did not take the mail (now). `error` is the class of what went wrong."""

    def __init__(self, error: str) -> None:
        super().__init__(error)
        self.error = error


@dataclass(frozen=True, slots=True)
class Mailer:
    url: str = field(repr=False)
    sender: str
    public_url: str  # where the links in a mail lead

    def send(self, message: EmailMessage) -> None:
        """Hand over `message`, which has a To. Raises NotSent; it may have been taken all the same,
        where the answer was lost."""
        message["From"] = self.sender
        try:
            with self._open() as server:
                server.send_message(message)
        except (smtplib.SMTPException, OSError, ValueError) as error:
            raise NotSent(type(error).__name__) from None

    def try_out(self) -> None:
        """Sign in and leave. Raises NotSent."""
        try:
            self._open().close()
        except (smtplib.SMTPException, OSError, ValueError) as error:
            raise NotSent(type(error).__name__) from None

    def _open(self) -> smtplib.SMTP:
        """A connection, signed in. Passwords and mail pass by TLS, but on this machine."""
        parts = urlsplit(self.url)
        host, port = parts.hostname or "", parts.port or PORTS[parts.scheme]
        tls = ssl.create_default_context()
        server: smtplib.SMTP
        if parts.scheme == "smtps":
            server = smtplib.SMTP_SSL(host, port, timeout=TIMEOUT, context=tls)
        else:
            server = smtplib.SMTP(host, port, timeout=TIMEOUT)
        try:
            server.ehlo()
            if parts.scheme == "smtp" and (
                server.has_extn("starttls") or not is_loopback(self.url)
            ):
                server.starttls(context=tls)
                server.ehlo()
            if parts.username:
                server.login(unquote(parts.username), unquote(parts.password or ""))
        except BaseException:
            server.close()
            raise
        return server
