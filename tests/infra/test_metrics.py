"""What probes and Prometheus get to see."""

import json
import os
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from infra import metrics

ROOT = Path(__file__).resolve().parents[2]


def test_ready_when_every_check_passes():
    status, kind, body = metrics.readiness({"database": lambda: True, "redis": lambda: True})

    assert (status, kind) == (200, "application/json")
    assert json.loads(body) == {"status": "ready", "checks": {"database": True, "redis": True}}


def test_not_ready_when_one_fails_or_breaks():
    status, _, body = metrics.readiness({"database": lambda: 1 / 0 > 1, "redis": lambda: True})

    assert status == 503
    assert json.loads(body)["checks"] == {"database": False, "redis": True}


def test_figures_are_shown():
    metrics.counter("replylog_tested", "For this test", ["verdict", "rule"]).labels("a", "b").inc()

    _, kind, body = metrics.metrics()

    assert kind.startswith("text/plain")
    assert b'replylog_tested_total{rule="b",verdict="a"}' in body


@pytest.fixture
def address():
    server = metrics.server("127.0.0.1", 0, {"redis": lambda: False})
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize(
    ("path", "status"), [("/healthz", 200), ("/metrics", 200), ("/readyz", 503), ("/", 404)]
)
def test_a_role_without_web_server_answers_too(address: str, path: str, status: int):
    try:
        with urllib.request.urlopen(address + path) as response:
            got = response.status
    except urllib.error.HTTPError as error:
        got = error.code
        error.close()

    assert got == status


def test_processes_that_share_a_folder_show_their_sum(tmp_path: Path):
    code = "from infra import metrics; metrics.counter('tested', 'x', ['a']).labels('b').inc()\n"
    show = code + "print(metrics.metrics()[2].decode())"
    env = {**os.environ, "PYTHONPATH": str(ROOT), metrics.SHARED_FOLDER: str(tmp_path)}
    subprocess.run([sys.executable, "-c", code], env=env, check=True)
    shown = subprocess.run(
        [sys.executable, "-c", show], env=env, check=True, capture_output=True, text=True
    )

    assert 'tested_total{a="b"} 2.0' in shown.stdout
