"""Messages, labels, drafts, search and threads of the pretend Gmail."""

import base64

from tests.sandbox.google_kit import ALL, ANA, MARIA, READ, ROOT, Gmail, b64, mime
from tests.sandbox_process import Sandbox


def test_full_message_has_parts_and_hides_attachments_behind_ids(sandbox: Sandbox) -> None:
    ana = Gmail(sandbox)
    file = {"name": "a.pdf", "mime": "application/pdf", "content": b64(b"pdf!") + "=="}
    found = ana.arrive(subject="Grüße", html="<p>Hello</p>", attachments=[file])
    message = ana.get(f"messages/{found}", "Message")
    text, pdf = message["payload"]["parts"]
    assert [p["mimeType"] for p in text["parts"]] == ["text/plain", "text/html"]
    assert pdf["filename"] == "a.pdf"
    path = f"messages/{found}/attachments/{pdf['body']['attachmentId']}"
    content = ana.get(path, "MessagePartBody")
    assert base64.urlsafe_b64decode(content["data"] + "==") == b"pdf!"
    headers = {h["name"]: h["value"] for h in message["payload"]["headers"]}
    assert headers["Subject"] == "Grüße"
    assert headers["Delivered-To"] == ANA


def test_attachment_id_changes_with_each_fetch(sandbox: Sandbox) -> None:
    ana = Gmail(sandbox)
    found = ana.arrive(attachments=[{"name": "a.bin", "content": "AAAA"}])
    ids = {
        ana.get(f"messages/{found}", "Message")["payload"]["parts"][1]["body"]["attachmentId"]
        for _ in range(2)
    }
    assert len(ids) == 2


def test_large_text_bodies_are_behind_an_attachment_id(sandbox: Sandbox) -> None:
    ana = Gmail(sandbox)
    sandbox.post("/control/switches", **{"gmail.inline_limit": 1000})
    found = ana.arrive(text="word " * 1000)
    body = ana.get(f"messages/{found}", "Message")["payload"]["body"]
    assert "data" not in body
    content = ana.get(f"messages/{found}/attachments/{body['attachmentId']}", "MessagePartBody")
    assert base64.urlsafe_b64decode(content["data"] + "==").startswith(b"word word")


def test_metadata_shows_the_wanted_headers_only(sandbox: Sandbox) -> None:
    ana = Gmail(sandbox)
    found = ana.arrive()
    message = ana.get(
        f"messages/{found}", "Message", format="metadata", metadataHeaders=["from", "SUBJECT"]
    )
    assert [h["name"] for h in message["payload"]["headers"]] == ["From", "Subject"]
    assert "parts" not in message["payload"]


def test_raw_gives_back_the_bytes_and_minimal_no_headers(sandbox: Sandbox) -> None:
    ana = Gmail(sandbox)
    found = ana.arrive()
    raw = ana.get(f"messages/{found}", "Message", format="raw")["raw"]
    assert base64.urlsafe_b64decode(raw + "==").startswith(b"Delivered-To: ana@acme.test\r\n")
    assert "payload" not in ana.get(f"messages/{found}", "Message", format="minimal")


def test_fields_mask_cuts_the_answer_and_refuses_unknown_names(sandbox: Sandbox) -> None:
    ana = Gmail(sandbox)
    found = ana.arrive()
    mask = "id,payload(headers/name,mimeType)"
    message = ana.get(f"messages/{found}", "Message", fields=mask)
    assert set(message) == {"id", "payload"}
    assert set(message["payload"]) == {"headers", "mimeType"}
    assert set(message["payload"]["headers"][0]) == {"name"}
    assert ana.refused("GET", f"messages/{found}", fields="id,nonsense")[0] == 400
    assert ana.refused("GET", f"messages/{found}", fields="id(")[0] == 400


def test_wrong_requests_are_refused_as_google_refuses_them(sandbox: Sandbox) -> None:
    ana = Gmail(sandbox)
    assert ana.refused("GET", "messages/00000000000000ff") == (404, "notFound")
    assert ana.refused("GET", "messages/nonsense")[0] == 400
    assert ana.refused("GET", "messages", colour="red")[0] == 400
    assert ana.refused("GET", f"messages/{ana.arrive()}", format="fancy")[0] == 400
    assert ana.refused("GET", "nonsense")[0] == 404
    assert ana.refused("POST", "messages/send", {"raw": b64(b"x")}) == (
        403,
        "insufficientPermissions",
    )
    other = sandbox.http.get(
        "/gmail/v1/users/cleo@acme.test/profile", headers={"Authorization": f"Bearer {ana.token}"}
    )
    assert other.status_code == 403
    ana.token = "ya29.nonsense"
    assert ana.refused("GET", "profile") == (401, "authError")
    assert sandbox.http.get("/gmail/v1/users/me/profile").status_code == 401


def test_a_token_with_the_metadata_scope_is_metadata_only(sandbox: Sandbox) -> None:
    ana = Gmail(sandbox, scopes=(*READ, f"{ROOT}metadata"))
    found = ana.arrive()
    assert ana.refused("GET", "messages", q="from:maria") == (403, "forbidden")
    assert ana.refused("GET", f"messages/{found}") == (403, "forbidden")
    assert ana.get(f"messages/{found}", "Message", format="metadata")["payload"]


def test_search_knows_the_operators_programs_use(sandbox: Sandbox) -> None:
    ana = Gmail(sandbox)
    first = ana.arrive(subject="Offer 12")
    second = ana.arrive(from_="bob@globex.test", subject="Invoice", message_id="<one@globex.test>")
    junk = ana.arrive(from_="zoe@stranger.test", place="junk")

    def found(q: str, **more: object) -> set[str]:
        answer = ana.get("messages", "ListMessagesResponse", q=q, **more)
        return {m["id"] for m in answer.get("messages", [])}

    assert found("") == {first, second}
    assert found("", includeSpamTrash="true") == {first, second, junk}
    assert found("in:anywhere") == {first, second, junk}
    assert found("from:{maria@globex.test bob@globex.test}") == {first, second}
    assert found("from:(maria OR zoe)") == {first}
    assert found("after:1700000000 from:bob@globex.test") == {second}
    assert found("before:1700000000") == set()
    assert found("rfc822msgid:one@globex.test") == {second}
    assert found("-from:bob subject:offer") == {first}
    assert found("in:spam") == {junk}
    assert found("{from:maria from:bob} is:unread newer_than:1d") == {first, second}
    assert found("frobnicate:1") == set()


def test_lists_come_in_pages(sandbox: Sandbox) -> None:
    ana = Gmail(sandbox)
    ids = {ana.arrive() for _ in range(5)}
    seen: list[str] = []
    token = ""
    while token or not seen:
        extra: dict[str, str] = {"pageToken": token} if token else {}
        answer = ana.get("messages", "ListMessagesResponse", maxResults=2, **extra)
        seen += [m["id"] for m in answer["messages"]]
        token = answer.get("nextPageToken", "")
    assert len(seen) == 5
    assert set(seen) == ids
    assert ana.refused("GET", "messages", pageToken="nonsense")[0] == 400


def test_sending_delivers_without_bcc_and_keeps_it_in_the_own_copy(sandbox: Sandbox) -> None:
    ana = Gmail(sandbox, scopes=ALL)
    raw = mime(To=MARIA, Bcc="joe@umbrella.test", From="Someone <other@evil.test>", Subject="Offer")
    sent = ana.post("messages/send", "Message", {"raw": b64(raw)})
    assert sent["labelIds"] == ["SENT"]
    headers = {
        h["name"]: h["value"]
        for h in ana.get(f"messages/{sent['id']}", "Message")["payload"]["headers"]
    }
    assert headers["Bcc"] == "joe@umbrella.test"
    assert headers["From"] == "Ana Acme <ana@acme.test>"
    assert headers["Message-ID"].endswith("@mail.gmail.com>")
    for address in (MARIA, "joe@umbrella.test"):
        (copy,) = sandbox.get("/control/mailbox", address=address)["messages"]
        assert copy["bcc"] == ""
        assert copy["message_id"] == headers["Message-ID"]
    assert ana.refused("POST", "messages/send", {"raw": b64(mime(Subject="x"))})[0] == 400
    assert ana.refused("POST", "messages/send", {})[0] == 400


def test_mail_to_oneself_is_one_message_in_sent_and_inbox(sandbox: Sandbox) -> None:
    ana = Gmail(sandbox, scopes=ALL)
    sent = ana.post("messages/send", "Message", {"raw": b64(mime(To=ANA, Subject="Note"))})
    assert sent["labelIds"] == ["INBOX", "SENT", "UNREAD"]
    assert ana.get("profile", "Profile")["messagesTotal"] == 1


def test_threads_follow_references_and_the_base_subject(sandbox: Sandbox) -> None:
    ana = Gmail(sandbox, scopes=ALL)
    raw = mime(To=MARIA, Subject="Offer 12", Message_ID="<root@acme.test>")
    root = ana.post("messages/send", "Message", {"raw": b64(raw)})
    answer = ana.arrive(subject="Re: Offer 12", in_reply_to="<root@acme.test>")
    changed = ana.arrive(subject="Invoice", in_reply_to="<root@acme.test>")
    alone = ana.arrive(subject="Re: Offer 12")
    threads = [
        ana.get(f"messages/{one}", "Message", format="minimal")["threadId"]
        for one in (answer, changed, alone)
    ]
    assert threads[0] == root["threadId"]
    assert len({root["threadId"], *threads}) == 3
    assert len(ana.get(f"threads/{root['threadId']}", "Thread")["messages"]) == 2


def test_send_joins_a_thread_only_with_all_three_conditions(sandbox: Sandbox) -> None:
    ana = Gmail(sandbox, scopes=ALL)
    found = ana.arrive(message_id="<q@globex.test>")
    thread = ana.get(f"messages/{found}", "Message")["threadId"]
    right = mime(To=MARIA, Subject="Re: Offer 12", In_Reply_To="<q@globex.test>")
    wrong = mime(To=MARIA, Subject="Re: Offer 12")
    joined, lone = (
        ana.post("messages/send", "Message", {"raw": b64(raw), "threadId": thread})["threadId"]
        for raw in (right, wrong)
    )
    assert joined == thread
    assert lone != thread


def test_labels_are_made_set_and_refused(sandbox: Sandbox) -> None:
    ana = Gmail(sandbox, scopes=ALL)
    found = ana.arrive()
    label = ana.post("labels", "Label", {"name": "Log to CRM"})["id"]
    assert ana.refused("POST", "labels", {"name": "log to crm"})[0] == 409
    ana.post(f"messages/{found}/modify", "Message", {"addLabelIds": [label]})
    names = {one["name"] for one in ana.get("labels", "ListLabelsResponse")["labels"]}
    assert {"INBOX", "SPAM", "Log to CRM"} <= names
    path = f"messages/{found}/modify"
    assert ana.refused("POST", path, {"addLabelIds": ["Label_nope"]})[0] == 400
    assert ana.refused("POST", path, {"addLabelIds": ["SENT"]})[0] == 400
    trashed = ana.post(f"messages/{found}/trash", "Message")
    assert "TRASH" in trashed["labelIds"]
    assert "INBOX" not in trashed["labelIds"]
    back = ana.post(f"messages/{found}/untrash", "Message")
    assert "TRASH" not in back["labelIds"]
    assert ana.ask("DELETE", f"labels/{label}").status_code == 204
    assert label not in ana.get(f"messages/{found}", "Message")["labelIds"]
    assert ana.refused("DELETE", f"labels/{label}")[0] == 404


def test_drafts_change_id_with_each_autosave_and_vanish_when_sent(sandbox: Sandbox) -> None:
    ana = Gmail(sandbox, scopes=ALL)
    start = ana.cursor()
    body = {"message": {"raw": b64(mime(To=MARIA, Subject="Draft"))}}
    first = ana.post("drafts", "Draft", body)
    answer = ana.ask("PUT", f"drafts/{first['id']}", body)
    second = answer.json()
    assert second["id"] == first["id"]
    assert second["message"]["id"] != first["message"]["id"]
    sent = ana.post("drafts/send", "Message", {"id": first["id"]})
    assert sent["labelIds"] == ["SENT"]
    records = ana.history(start)
    kinds = [next(k for k in r if k.startswith(("messagesA", "messagesD"))) for r in records]
    assert kinds == ["messagesAdded", "messagesDeleted"] * 2 + ["messagesAdded"]
    assert ana.refused("GET", f"messages/{first['message']['id']}") == (404, "notFound")


def test_insert_and_upload_put_messages_without_sending(sandbox: Sandbox) -> None:
    ana = Gmail(sandbox, scopes=ALL)
    raw = mime(From=MARIA, To=ANA, Subject="Old", Date="Mon, 02 Mar 2026 09:00:00 +0000")
    body = {"raw": b64(raw), "labelIds": ["INBOX"]}
    answer = ana.ask("POST", "messages", body, internalDateSource="dateHeader")
    found = ana.get(f"messages/{answer.json()['id']}", "Message", format="minimal")
    assert found["internalDate"] == "1772442000000"
    uploaded = sandbox.http.post(
        "/upload/gmail/v1/users/me/messages/send?uploadType=media",
        content=mime(To=MARIA, Subject="Up"),
        headers={"Authorization": f"Bearer {ana.token}", "Content-Type": "message/rfc822"},
    )
    assert uploaded.status_code == 200
    assert len(sandbox.get("/control/mailbox", address=MARIA)["messages"]) == 1


def test_aliases_are_listed_with_their_state(sandbox: Sandbox) -> None:
    ana = Gmail(sandbox)
    sandbox.post("/control/google/send-as", address=ANA, alias="sales@acme.test", accepted=False)
    primary, alias = ana.get("settings/sendAs", "ListSendAsResponse")["sendAs"]
    assert primary["isPrimary"]
    assert (alias["sendAsEmail"], alias["verificationStatus"]) == ("sales@acme.test", "pending")


def test_a_filter_labels_arriving_mail_and_takes_it_out_of_the_inbox(sandbox: Sandbox) -> None:
    ana = Gmail(sandbox)
    rule = {"name": "r", "from_contains": "globex", "target_folder": "Customers"}
    sandbox.post("/control/rule", address=ANA, **rule)
    found = ana.get(f"messages/{ana.arrive()}", "Message", format="minimal")
    assert "INBOX" not in found["labelIds"]
    assert any(one.startswith("Label_") for one in found["labelIds"])


def test_answers_are_gzipped_only_for_those_who_ask_twice(sandbox: Sandbox) -> None:
    ana = Gmail(sandbox)
    found = ana.arrive(text="word " * 1000)
    path = f"/gmail/v1/users/me/messages/{found}"
    headers = {"Authorization": f"Bearer {ana.token}", "Accept-Encoding": "gzip"}
    assert "Content-Encoding" not in sandbox.http.get(path, headers=headers).headers
    zipped = sandbox.http.get(path, headers={**headers, "User-Agent": "x (gzip)"})
    assert zipped.headers["Content-Encoding"] == "gzip"
    assert zipped.json()["id"] == found
