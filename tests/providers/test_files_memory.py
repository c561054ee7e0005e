"""Reading large files costs hardly any memory, on the wire of each provider."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from random import Random

import pytest

from tests.providers.gmail_rig import READ
from tests.sandbox_process import Sandbox

ROOT = Path(__file__).resolve().parents[2]
SIZE = 24 * 1024 * 1024  # of each of two files: 64 MB on Gmail's wire
PEOPLE = {"gmail": "large@acme.test", "graph": "large@acme365.test"}
CONSENTS = {"gmail": ("google", {"scopes": [READ]}), "graph": ("microsoft", {})}
MOST = 40 * 1024  # KiB that reading may add to the largest the process ever was

CHILD = """
import json, sys
from contextlib import closing
from pathlib import Path
from crm.model import Ref
from infra.blobs import Blobs
from infra.settings import Settings
from providers.held import HeldToken
from providers.registry import open_client

provider, url, token, small, large, var = sys.argv[1:]
settings = Settings(_env_file=None, gmail_api_url=url, graph_api_url=url, var=Path(var))
client, blobs = open_client(provider, HeldToken(token), settings), Blobs(settings)

def keep(message):
    found = {}
    for file in client.message(Ref(message)).attachments:
        with closing(client.attachment(Ref(message), file.part)) as pieces:
            found[file.filename] = blobs.put(1, pieces).digest
    return found

def peak():  # not ru_maxrss, which a child has from its parent
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))

keep(small)  # imports and pools are no files
before = peak()
kept = keep(large)
print(json.dumps({"kept": kept, "before": before, "after": peak()}))
"""


@pytest.fixture
def messages(sandbox: Sandbox) -> dict[str, dict[str, str]]:
    """Ids of a small and a large message, in a mailbox at each provider."""
    for provider, world in (("gmail", "google"), ("graph", "microsoft")):
        sandbox.post("/control/people", address=PEOPLE[provider], name="L", provider=world)
    found = {}
    for name, size in (("small", 1_000_000), ("large", SIZE)):
        files = [{"name": f"{name}-{n}.bin", "size": size} for n in (1, 2)]
        sent = sandbox.http.post(
            "/control/mail",
            json={
                "from": "gina@globex.test", "to": list(PEOPLE.values()), "subject": name,
                "text": "Two files.", "attachments": files,
            },
            timeout=240,
        )  # fmt: skip
        sent.raise_for_status()
        found[name] = sent.json()["ids"]
    return found


def test_a_50_mb_message_passes_with_little_memory(sandbox: Sandbox, messages, tmp_path: Path):
    expected = {
        f"large-{n}.bin": hashlib.sha256(Random(f"large-{n}.bin").randbytes(SIZE)).hexdigest()
        for n in (1, 2)
    }
    for provider, address in PEOPLE.items():
        path, more = CONSENTS[provider]
        given = sandbox.post(f"/control/{path}/token", address=address, **more)
        ids = [messages[name][address] for name in ("small", "large")]
        arguments = [provider, sandbox.url, given["access_token"], *ids, str(tmp_path / provider)]
        told = subprocess.run(
            [sys.executable, "-c", CHILD, *arguments], cwd=ROOT, capture_output=True, check=True
        )
        found = json.loads(told.stdout)
        assert found["kept"] == expected, provider
        assert found["after"] - found["before"] < MOST, provider
