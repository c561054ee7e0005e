"""HTTP to Gmail: one set of connections a thread, shared by all mailboxes that the thread works on.

All mailboxes talk to one host, httplib2 is not thread-safe, and a new TLS context costs 20 ms of CPU.
"""

import http.client
import ssl
import threading
from functools import cache
from typing import Any, TypeAlias

import google_auth_httplib2
import httplib2
from google.auth import credentials as google_credentials

from providers.tokens import TokenSource

TIMEOUT = 20  # seconds, to connect and between bytes
Answer: TypeAlias = tuple[httplib2.Response[str], bytes]
STALE = (BrokenPipeError, ConnectionResetError, http.client.RemoteDisconnected)


class KeptTls(httplib2.HTTPSConnectionWithTimeout):
    """A connection on the process's one TLS context, where httplib2 would build its own."""

    def __init__(
        self,
        host: str,
        port: int | None = None,
        timeout: float | None = None,
        proxy_info: Any = None,
        **_: Any,
    ) -> None:
        http.client.HTTPSConnection.__init__(
            self, host, port=port, timeout=timeout, context=tls_context()
        )
        self.disable_ssl_certificate_validation = False
        self.ca_certs = httplib2.CA_CERTS
        self.key_file = self.cert_file = self.key_password = None
        self.proxy_info = proxy_info("https") if callable(proxy_info) else proxy_info


class Connections(httplib2.Http):
    """Kept connections. Every call to Gmail may be repeated, so one that meets a connection which
    the server closed while it was idle is made again on a new one."""

    def request(self, uri: str, *args: Any, **kwargs: Any) -> Answer:
        if uri.startswith("https:"):
            kwargs["connection_type"] = KeptTls
        idle = bool(self.connections)
        try:
            answer: Answer = super().request(uri, *args, **kwargs)
        except STALE:
            self.close()
            if not idle:
                raise
            answer = super().request(uri, *args, **kwargs)
        except Exception:
            self.close()  # half an answer may be left on the wire
            raise
        return answer

    def __del__(self) -> None:
        self.close()


class ThreadHttp:
    """The calling thread's connections, so that a client may be used by any one thread at a time."""

    def request(self, uri: str, *args: Any, **kwargs: Any) -> Answer:
        return _connections().request(uri, *args, **kwargs)

    def close(self) -> None:
        """The connections outlive a client: the thread's next mailbox uses them."""


class MailboxCredentials(google_credentials.Credentials):
    """google-auth's view of a `TokenSource`."""

    def __init__(self, access: TokenSource) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._access = access

    def before_request(self, request: Any, method: str, url: str, headers: Any) -> None:
        del request, method, url
        self.token = self._access.token()
        self.apply(headers)  # type: ignore[no-untyped-call]

    def ready(self) -> None:
        """Have a token: a batch renews where there is none, though the stored one may be good."""
        self.token = self._access.token()

    def refresh(self, request: Any) -> None:
        """A new token, because the last one was refused. Raises Retry, Reconnect or Operator."""
        del request
        self.token = self._access.token(fresh=True)


def authorized(access: TokenSource) -> google_auth_httplib2.AuthorizedHttp:
    """HTTP as the mailbox's owner; a refused token is renewed once."""
    return google_auth_httplib2.AuthorizedHttp(
        MailboxCredentials(access), http=ThreadHttp(), max_refresh_attempts=1
    )


_local = threading.local()


def _connections() -> Connections:
    held: Connections | None = getattr(_local, "connections", None)
    if held is None:
        held = _local.connections = Connections(timeout=TIMEOUT)
        held.follow_redirects = False
    return held


@cache
def tls_context() -> ssl.SSLContext:
    return ssl.create_default_context(cafile=httplib2.CA_CERTS)
