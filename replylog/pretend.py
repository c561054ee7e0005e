"""The sandbox as a child process, and the settings that lead an installation to it."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import requests

from infra.children import end_with_parent

SERVICE_ACCOUNT = "push@sandbox.iam.gserviceaccount.com"
TOPIC = "projects/sandbox/topics/gmail"


@dataclass(frozen=True)
class Pretend:
    """A running sandbox: `url` of its HTTP port, `dns` as host:port."""

    url: str
    dns: str

    def post(self, path: str, **body: Any) -> Any:
        """POST to the control API; its JSON answer. Raises requests.RequestException."""
        return self._answer("POST", path, json=body)

    def get(self, path: str, **params: str) -> Any:
        return self._answer("GET", path, params=params)

    def delete(self, path: str, **params: str) -> Any:
        return self._answer("DELETE", path, params=params)

    def raw(self, address: str, message_id: str) -> bytes:
        """A message of somebody's mailbox, whole."""
        return self._asked("GET", "raw", params={"address": address, "id": message_id}).content

    def environment(self, public_url: str) -> dict[str, str]:
        """Settings of an installation at `public_url` whose Google and Microsoft this is."""
        return {
            "REPLYLOG_PUBLIC_URL": public_url,
            "REPLYLOG_GOOGLE_CLIENT_ID": "sandbox-google-client",
            "REPLYLOG_GOOGLE_CLIENT_SECRET": "sandbox-google-secret",
            "REPLYLOG_GOOGLE_PUBSUB_TOPIC": TOPIC,
            "REPLYLOG_GOOGLE_PUBSUB_AUDIENCE": f"{public_url}/webhooks/gmail",
            "REPLYLOG_GOOGLE_PUBSUB_SERVICE_ACCOUNT": SERVICE_ACCOUNT,
            "REPLYLOG_MICROSOFT_CLIENT_ID": "sandbox-microsoft-client",
            "REPLYLOG_MICROSOFT_CLIENT_SECRET": "sandbox-microsoft-secret",
            "REPLYLOG_GMAIL_API_URL": self.url,
            "REPLYLOG_GOOGLE_AUTH_URL": f"{self.url}/o/oauth2/v2/auth",
            "REPLYLOG_GOOGLE_TOKEN_URL": f"{self.url}/token",
            "REPLYLOG_GOOGLE_REVOKE_URL": f"{self.url}/revoke",
            "REPLYLOG_GOOGLE_CERTS_URL": f"{self.url}/oauth2/v1/certs",
            "REPLYLOG_GOOGLE_RISC_CERTS_URL": f"{self.url}/oauth2/v3/certs",
            "REPLYLOG_PUBSUB_API_URL": self.url,
            "REPLYLOG_GRAPH_API_URL": f"{self.url}/v1.0",
            "REPLYLOG_ENTRA_AUTHORITY_URL": self.url,
            "REPLYLOG_DNS_SERVER": self.dns,
        }

    def push_to(self, public_url: str) -> None:
        """Have Pub/Sub push to the installation at `public_url`."""
        self.post(
            "pubsub",
            endpoint=f"{public_url}/webhooks/gmail",
            audience=f"{public_url}/webhooks/gmail",
            service_account=SERVICE_ACCOUNT,
        )

    def _answer(self, method: str, path: str, **options: Any) -> Any:
        answer = self._asked(method, path, **options)
        return answer.json() if answer.content else None

    def _asked(self, method: str, path: str, **options: Any) -> requests.Response:
        with requests.Session() as session:
            session.trust_env = False  # on this machine, whatever proxy is set
            answer = session.request(method, f"{self.url}/control/{path}", timeout=30, **options)
        answer.raise_for_status()
        return answer


@contextmanager
def pretend(port: int = 0, host: str = "127.0.0.1") -> Iterator[Pretend]:
    """Run a sandbox until the end of the block. Raises RuntimeError when it does not start."""
    process = subprocess.Popen(
        [sys.executable, "-m", "sandbox", "--host", host, "--port", str(port), "--dns-port", "0"],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=end_with_parent,
    )
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        if not line:
            raise RuntimeError("the sandbox did not start")
        where = json.loads(line)
        yield Pretend(where["url"], where["dns"])
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()
