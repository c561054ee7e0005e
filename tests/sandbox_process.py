"""The sandbox as a process of its own: tests meet it over sockets, as the product does."""

import json
import os
import select
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

ROOT = Path(__file__).resolve().parent.parent
START_SECONDS = 120


@dataclass(frozen=True)
class Sandbox:
    """A running sandbox: `url` of its HTTP port, `dns` as host:port."""

    url: str
    dns: str
    http: httpx.Client

    def get(self, path: str, **params: Any) -> Any:
        """GET a JSON answer of the control API; raises on a refusal."""
        return self._answer(self.http.get(path, params=params))

    def post(self, path: str, **body: Any) -> Any:
        """POST `body` as JSON to the control API; the JSON answer, or None when it is empty."""
        return self._answer(self.http.post(path, json=body))

    def reset(self) -> None:
        self.post("/control/reset")

    @staticmethod
    def _answer(response: httpx.Response) -> Any:
        response.raise_for_status()
        return response.json() if response.content else None


def start() -> tuple[Sandbox, "subprocess.Popen[str]"]:
    """Start a sandbox on free ports and wait until it says where it is."""
    process = subprocess.Popen(
        [sys.executable, "-m", "sandbox", "--port", "0", "--dns-port", "0"],
        cwd=ROOT, env={**_uncovered(), "PYTHONPATH": str(ROOT)}, text=True, stdout=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    ready, _, _ = select.select([process.stdout], [], [], START_SECONDS)
    line = process.stdout.readline() if ready else ""
    if not line:
        stop(process)
        raise RuntimeError(f"the sandbox did not start within {START_SECONDS} s")
    where = json.loads(line)
    client = httpx.Client(base_url=where["url"], timeout=120, trust_env=False)
    return Sandbox(where["url"], where["dns"], client), process


def _uncovered() -> dict[str, str]:
    """This process's environment, but that coverage is not measured: not of the sandbox."""
    return {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}


def stop(process: "subprocess.Popen[str]") -> None:
    process.terminate()
    try:
        process.wait(timeout=20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdout is not None:
        process.stdout.close()
