"""Writing and sending by the pretend Graph."""

import base64
from typing import Any

from tests.sandbox.graph_kit import BEN, Client, code_of
from tests.sandbox_process import Sandbox


def to(*addresses: str) -> list[dict[str, Any]]:
    return [{"emailAddress": {"address": address}} for address in addresses]


def raw_of(sandbox: Sandbox, address: str) -> list[str]:
    box = sandbox.get("/control/mailbox", address=address)
    return [
        sandbox.http.get("/control/raw", params={"address": address, "id": message["id"]}).text
        for message in box["messages"]
    ]


def test_send_mail_keeps_bcc_in_the_sent_copy_only(sandbox: Sandbox) -> None:
    ben = Client(sandbox)
    message = {
        "subject": "Offer",
        "body": {"contentType": "HTML", "content": "<p>hello</p>"},
        "toRecipients": to("maria@globex.test"),
        "bccRecipients": to("bob@globex.test"),
    }
    answer = ben.post("/me/sendMail", message=message)
    assert (answer.status_code, answer.content) == (202, b"")
    sent = ben.get("/me/mailFolders/sentitems/messages")["value"]
    assert [one["subject"] for one in sent] == ["Offer"]
    assert sent[0]["bccRecipients"][0]["emailAddress"]["address"] == "bob@globex.test"
    for address in ("maria@globex.test", "bob@globex.test"):
        raw = raw_of(sandbox, address)[0]
        assert "Bcc" not in raw
        assert sent[0]["internetMessageId"] in raw


def test_sent_items_can_be_declined(sandbox: Sandbox) -> None:
    ben = Client(sandbox)
    message = {"subject": "x", "body": {"content": "x"}, "toRecipients": to("maria@globex.test")}
    ben.post("/me/sendMail", message=message, saveToSentItems=False)
    assert ben.get("/me/mailFolders/sentitems/messages")["value"] == []
    assert len(raw_of(sandbox, "maria@globex.test")) == 1


def test_mime_can_be_sent_with_threading_headers(sandbox: Sandbox) -> None:
    ben = Client(sandbox)
    raw = b"From: ben@acme365.test\r\nTo: maria@globex.test\r\nSubject: m\r\nIn-Reply-To: <q@globex.test>\r\n\r\nbody"
    answer = ben.call(
        "POST",
        "/me/sendMail",
        content=base64.b64encode(raw),
        headers={"Content-Type": "text/plain"},
    )
    assert answer.status_code == 202
    assert "In-Reply-To: <q@globex.test>" in raw_of(sandbox, "maria@globex.test")[0]


def test_threading_headers_cannot_be_set_in_json(sandbox: Sandbox) -> None:
    message = {
        "subject": "x",
        "toRecipients": to("maria@globex.test"),
        "internetMessageHeaders": [{"name": "In-Reply-To", "value": "<q@globex.test>"}],
    }
    answer = Client(sandbox).post("/me/sendMail", message=message)
    assert (answer.status_code, code_of(answer)) == (400, "InvalidInternetMessageHeader")


def test_a_stranger_cannot_be_the_sender(sandbox: Sandbox) -> None:
    message = {
        "subject": "x",
        "toRecipients": to("maria@globex.test"),
        "from": to("ceo@acme365.test")[0],
    }
    assert Client(sandbox).post("/me/sendMail", message=message).status_code == 403


def test_a_reply_is_threaded_and_quotes(sandbox: Sandbox) -> None:
    ben = Client(sandbox)
    key = ben.deliver(message_id="<a@globex.test>", subject="Plan", text="question")
    assert ben.post(f"/me/messages/{key}/reply", comment="answer").status_code == 202
    raw = raw_of(sandbox, "maria@globex.test")[0]
    assert "Subject: Re: Plan" in raw
    assert "In-Reply-To: <a@globex.test>" in raw
    talks = {one["conversationId"] for one in ben.get("/me/messages")["value"]}
    assert len(talks) == 1
    both = ben.post(f"/me/messages/{key}/reply", comment="a", message={"body": {"content": "b"}})
    assert both.status_code == 400


def test_a_reply_draft_can_be_edited_and_sent_with_one_immutable_id(sandbox: Sandbox) -> None:
    ben = Client(sandbox, prefer='IdType="ImmutableId"')
    key = ben.deliver(message_id="<a@globex.test>", subject="Plan")
    draft = ben.post(f"/me/messages/{key}/createReply").json()
    assert draft["isDraft"] is True
    change = {
        "body": {"contentType": "text", "content": "mine"},
        "ccRecipients": to("bob@globex.test"),
    }
    changed = ben.call("PATCH", f"/me/messages/{draft['id']}", json=change).json()
    assert changed["ccRecipients"][0]["emailAddress"]["address"] == "bob@globex.test"
    assert ben.post(f"/me/messages/{draft['id']}/send").status_code == 202
    sent = ben.get(f"/me/messages/{draft['id']}")
    assert (sent["isDraft"], sent["parentFolderId"]) == (False, ben.folder("sentitems"))
    raw = raw_of(sandbox, "bob@globex.test")[0]
    assert "References: <a@globex.test>" in raw
    assert "mine" in raw


def test_a_draft_takes_a_file(sandbox: Sandbox) -> None:
    ben = Client(sandbox)
    draft = ben.post("/me/messages", subject="f", toRecipients=to("maria@globex.test")).json()
    file = {
        "@odata.type": "#microsoft.graph.fileAttachment",
        "name": "a.txt",
        "contentBytes": base64.b64encode(b"abc").decode(),
    }
    answer = ben.call("POST", f"/me/messages/{draft['id']}/attachments", json=file)
    assert answer.json()["name"] == "a.txt"
    assert ben.get(f"/me/messages/{draft['id']}")["hasAttachments"] is True


def test_replying_to_all_leaves_oneself_out(sandbox: Sandbox) -> None:
    ben = Client(sandbox)
    key = ben.deliver(to=[BEN, "joe@umbrella.test"], cc=["bob@globex.test"])
    assert ben.post(f"/me/messages/{key}/replyAll", comment="x").status_code == 202
    sent = ben.get("/me/mailFolders/sentitems/messages")["value"][0]
    assert [one["emailAddress"]["address"] for one in sent["toRecipients"]] == ["maria@globex.test"]
    others = [one["emailAddress"]["address"] for one in sent["ccRecipients"]]
    assert others == ["joe@umbrella.test", "bob@globex.test"]
