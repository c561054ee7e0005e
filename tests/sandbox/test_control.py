"""The control API, faults, the page for people, and the process itself."""

import base64
import json
import signal
import subprocess
import sys
import time
from typing import Any

import httpx
import pytest

from tests.sandbox.google_kit import ANA, MARIA, Gmail, until
from tests.sandbox_process import ROOT, Sandbox

HIT = "GET /gmail/v1/users/me/profile"


def fault(sandbox: Sandbox, kind: str, **more: Any) -> None:
    sandbox.post("/control/faults", match=HIT, kind=kind, **more)


def test_reset_brings_back_the_seeded_people_with_empty_mailboxes(sandbox: Sandbox) -> None:
    sandbox.post("/control/people", address="new@acme.test", name="New", provider="google")
    Gmail(sandbox).arrive()
    sandbox.reset()
    people = {p["address"]: p["provider"] for p in sandbox.get("/control/people")}
    assert people[ANA] == "google"
    assert people["ben@acme365.test"] == "microsoft"
    assert "new@acme.test" not in people
    assert sandbox.get("/control/mailbox", address=ANA)["messages"] == []


def test_a_status_comes_as_often_as_asked_for(sandbox: Sandbox) -> None:
    ana = Gmail(sandbox)
    fault(sandbox, "status", status=503, body={"a": 1}, headers={"Retry-After": "7"}, times=2)
    for _ in range(2):
        answer = ana.ask("GET", "profile")
        assert (answer.status_code, answer.json()) == (503, {"a": 1})
        assert answer.headers["Retry-After"] == "7"
    assert ana.ask("GET", "profile").status_code == 200


def test_answers_are_delayed_cut_garbled_or_never_come(sandbox: Sandbox) -> None:
    ana = Gmail(sandbox)
    fault(sandbox, "delay", seconds=0.2)
    begun = time.monotonic()
    assert ana.ask("GET", "profile").status_code == 200
    assert time.monotonic() - begun > 0.19
    fault(sandbox, "bad_json")
    with pytest.raises(ValueError):
        ana.ask("GET", "profile").json()
    fault(sandbox, "truncate")
    with pytest.raises(httpx.RemoteProtocolError):
        ana.ask("GET", "profile")
    fault(sandbox, "reset")
    with pytest.raises((httpx.ReadError, httpx.RemoteProtocolError)):
        ana.ask("GET", "profile")
    assert ana.ask("GET", "profile").status_code == 200


def test_a_fault_after_the_work_hides_that_it_was_done(sandbox: Sandbox) -> None:
    ana = Gmail(sandbox)
    fault(sandbox, "status", status=500, after=True)
    before = sandbox.get("/control/counts").get("gmail.profile", 0)
    assert ana.ask("GET", "profile").status_code == 500
    assert sandbox.get("/control/counts")["gmail.profile"] == before + 1


def test_faults_for_ever_end_when_taken_away(sandbox: Sandbox) -> None:
    ana = Gmail(sandbox)
    fault(sandbox, "status", times=None)
    assert {ana.ask("GET", "profile").status_code for _ in range(3)} == {500}
    assert len(sandbox.get("/control/faults")) == 1
    assert sandbox.http.delete("/control/faults").status_code == 200
    assert ana.ask("GET", "profile").status_code == 200


def test_a_fault_is_taken_away_by_its_name_and_what_met_it_is_counted(sandbox: Sandbox) -> None:
    ana = Gmail(sandbox)
    fault(sandbox, "status", name="mine", times=None)
    fault(sandbox, "status", name="other", status=503, times=None)
    assert [ana.ask("GET", "profile").status_code for _ in range(2)] == [500, 500]
    sandbox.http.delete("/control/faults", params={"name": "mine"})
    assert ana.ask("GET", "profile").status_code == 503
    assert sandbox.get("/control/faults/met") == {"mine": 2, "other": 1}


def test_counts_start_anew(sandbox: Sandbox) -> None:
    Gmail(sandbox).cursor()
    assert sandbox.get("/control/counts")["gmail.profile"] == 1
    sandbox.post("/control/counts/reset")
    assert sandbox.get("/control/counts") == {}


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("mail", {"to": ANA}, 400),
        ("mail", {"from": MARIA, "to": ANA, "place": "moon"}, 400),
        ("send", {"from": "nobody@x.test", "to": ANA}, 404),
        ("move", {"address": ANA, "id": "nope", "to": "junk"}, 404),
        ("faults", {"match": "x", "kind": "fire"}, 400),
        ("switches", {"no.such": 1}, 400),
        ("people", {"address": "a@b.test", "provider": "yahoo"}, 400),
        ("label", {"address": MARIA, "id": "1", "label": "x"}, 400),
        ("google/limit", {"address": ANA, "kind": "x"}, 400),
    ],
)
def test_wrong_bodies_are_refused(
    sandbox: Sandbox, path: str, body: dict[str, Any], status: int
) -> None:
    answer = sandbox.http.post(f"/control/{path}", json=body)
    assert answer.status_code == status, answer.text
    assert answer.json()["error"]


def test_people_send_answer_and_label_in_their_own_programs(sandbox: Sandbox) -> None:
    sent = sandbox.post(
        "/control/send",
        **{"from": ANA, "to": MARIA, "bcc": "log@crm.test", "subject": "Offer 12"},
        label="Log to CRM",
    )
    (mine,) = sandbox.get("/control/mailbox", address=ANA)["messages"]
    assert (mine["folder"], mine["labels"]) == ("sent", ["Log to CRM"])
    assert mine["bcc"] == "log@crm.test"
    answered = sandbox.post(
        "/control/reply", **{"from": MARIA, "message_id": sent["message_id"], "text": "Yes"}
    )
    items = sandbox.get("/control/mailbox", address=ANA)["messages"]
    assert items[1]["message_id"] == answered["message_id"]
    assert items[1]["subject"] == "Re: Offer 12"
    raw = sandbox.http.get("/control/raw", params={"address": ANA, "id": items[1]["id"]})
    assert f"In-Reply-To: {sent['message_id']}" in raw.text


@pytest.mark.parametrize("owner", [ANA, "ben@acme365.test"])
def test_what_is_sent_withheld_lies_in_sent_mail_alone(sandbox: Sandbox, owner: str) -> None:
    raw = f"From: {owner}\r\nTo: {MARIA}\r\nMessage-ID: <1@t>\r\nSubject: Hm\r\n\r\nbody\r\n"
    body = {"from": owner, "raw": base64.b64encode(raw.encode()).decode()}
    sent = sandbox.post("/control/send", **body, withheld=True)
    (mine,) = sandbox.get("/control/mailbox", address=owner)["messages"]
    assert (mine["id"], mine["folder"], mine["message_id"]) == (sent["id"], "sent", "<1@t>")
    assert sandbox.get("/control/mailbox", address=MARIA)["messages"] == []
    sandbox.post("/control/send", **body)
    assert len(sandbox.get("/control/mailbox", address=MARIA)["messages"]) == 1


def test_raw_bytes_are_delivered_as_they_are(sandbox: Sandbox) -> None:
    raw = b"From: x@y.test\r\nTo: ana@acme.test\r\nSubject: \xff\xfe\r\n\r\nbody\r\n"
    answer = sandbox.post("/control/mail", raw=base64.b64encode(raw).decode())
    found = answer["ids"][ANA]
    copy = sandbox.http.get("/control/raw", params={"address": ANA, "id": found})
    assert copy.content.endswith(raw)
    assert Gmail(sandbox).get(f"messages/{found}", "Message")["payload"]["headers"]


def test_the_page_reads_writes_answers_moves_and_breaks(sandbox: Sandbox) -> None:
    http = sandbox.http
    assert "maria@globex.test" in http.get("/").text
    form = {"to": ANA, "subject": "Offer <12>", "text": "Hello"}
    assert http.post(f"/mail/{MARIA}/write", data=form).status_code == 303
    assert "Offer &lt;12&gt;" in http.get(f"/mail/{ANA}").text
    (item,) = sandbox.get("/control/mailbox", address=ANA)["messages"]
    path = f"/mail/{ANA}/message/{item['id']}"
    assert "Log to CRM" in http.get(path).text
    assert (
        http.post(f"{path}/answer", data={"text": "Yes", "label": "Log to CRM"}).status_code == 303
    )
    copies = sandbox.get("/control/mailbox", address=MARIA)["messages"]
    assert copies[-1]["subject"] == "Re: Offer <12>"
    http.post(path, data={"to": "junk"})
    assert "Offer" in http.get(f"/mail/{ANA}", params={"folder": "junk"}).text
    rule = {"from_contains": "globex", "target_folder": "Customers"}
    assert http.post(f"/mail/{ANA}/rule", data=rule).status_code == 303
    ana = Gmail(sandbox)
    assert http.post(f"/mail/{ANA}/break", data={"what": "429"}).status_code == 303
    assert ana.ask("GET", "profile").status_code == 429
    http.delete("/control/faults")
    http.post(f"/mail/{ANA}/break", data={"what": "consent"})
    assert ana.ask("GET", "profile").status_code == 401
    http.post(f"/mail/{ANA}/break", data={"what": "drop"})
    assert sandbox.get("/control/notifications")["drop"] is True
    assert http.get("/mail/nobody@x.test").status_code == 404


def test_the_server_takes_chunked_bodies_and_many_requests_a_second(sandbox: Sandbox) -> None:
    pieces = iter([b'{"seconds":', b" 0}"])
    assert sandbox.http.post("/control/skew", content=pieces).status_code == 200
    took = []
    for _ in range(300):
        begun = time.monotonic()
        sandbox.http.get("/oauth2/v1/certs")
        took.append(time.monotonic() - begun)
    assert min(took) < 0.03, "no answer waits for an acknowledgement that is delayed"


def test_sigterm_ends_the_process_at_once() -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "sandbox"], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        where = json.loads(process.stdout.readline())
        assert set(where) == {"url", "dns"}
        with httpx.Client(base_url=where["url"]) as client:
            assert client.get("/").status_code == 200
            process.send_signal(signal.SIGTERM)
            until(lambda: process.poll() is not None)
    assert process.returncode == 0
