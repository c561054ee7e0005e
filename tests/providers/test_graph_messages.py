from crm.model import Ref
from tests.providers.graph_mailbox import mail


def test_a_message_in_a_listed_folder_costs_one_request(box):
    box.pages["IN1"] = box.end("IN", "IN2", mail(1))
    client = box.client
    [page] = client.changes(box.cursor(IN="followed"))
    box.messages["m1"] = mail(1, body={"contentType": "html", "content": "<p>Hello</p>"})
    before = len(box.stub.asked)
    assert client.message(page.items[0].ref).text == "Hello"
    assert len(box.stub.asked) == before + 1
    assert box.stub.asked[-1].prefer == {'IdType="ImmutableId"', "outlook.allow-unsafe-html"}


def test_threading_of_sent_mail_comes_from_extended_properties(box):
    sent = mail(1, "SENT")
    del sent["internetMessageHeaders"]
    sent["singleValueExtendedProperties"] = [
        {"id": "String 0x1042", "value": "<parent@x>"},
        {"id": "String 0x1039", "value": "<root@x> <parent@x>"},
    ]
    box.messages["m1"] = sent
    [head] = box.client.headers([Ref("m1")])
    assert head is not None
    assert head.in_reply_to == ("parent@x",)
    assert head.references == ("root@x", "parent@x")


def test_text_that_exchange_wrapped_is_unwrapped(box):
    wrapped = (
        '<html><head>\r\n<meta name="Generator" content="Microsoft Exchange Server">\r\n'
        "<!-- converted from text -->\r\n<style><!-- .EmailQuote { } --></style></head>\r\n<body>\r\n"
        '<font size="2"><span style="font-size:11pt;"><div class="PlainText">a &lt; b<br>\r\n'
        "<br>\r\n&nbsp; two&nbsp; spaces &amp; more</div></span></font>\r\n</body>\r\n</html>"
    )
    box.messages["m1"] = mail(1, body={"contentType": "html", "content": wrapped})
    read = box.client.message(Ref("m1"))
    assert read.text == "a < b\n\n  two  spaces & more"
    assert read.html == ""


def test_html_that_only_quotes_a_wrapped_text_stays_html(box):
    content = '<html><body><p>New</p><div class="PlainText">old</div></body></html>'
    box.messages["m1"] = mail(1, body={"contentType": "html", "content": content})
    assert box.client.message(Ref("m1")).html == content


def test_attachments_are_told_with_their_kind(box):
    files = [
        {"@odata.type": "#microsoft.graph.fileAttachment", "id": "a1", "name": "x.PDF",
         "contentType": "Application/PDF; name=x", "size": 7, "isInline": True, "contentId": "<c@x>"},
        {"@odata.type": "#microsoft.graph.itemAttachment", "id": "a2", "name": "Re: y",
         "contentType": None, "size": 9, "isInline": False},
        {"@odata.type": "#microsoft.graph.referenceAttachment", "id": "a3", "name": "z"},
    ]  # fmt: skip
    box.messages["m1"] = mail(1, body=None, attachments=files)
    found = box.client.message(Ref("m1")).attachments
    assert [(a.part, a.content_type, a.size, a.inline, a.content_id) for a in found] == [
        ("a1", "application/pdf", 7, True, "c@x"),
        ("a2", "message/rfc822", 9, False, ""),
        ("a3", "application/octet-stream", 0, False, ""),
    ]


def test_what_no_database_stores_is_left_out(box):
    odd = "a\0b \ud83d"
    files = [{"id": "a1", "name": odd, "size": 1}]
    body = {"contentType": "html", "content": f"<p>{odd}</p>"}
    box.messages["m1"] = mail(1, body=body, attachments=files, categories=[odd])
    read = box.client.message(Ref("m1"))
    assert (read.text, read.html) == ("ab", "<p>ab </p>")
    assert read.attachments[0].filename == "ab"
    assert read.headers.labels == {"ab "}


def test_a_message_that_does_not_say_when_it_came_is_older_than_any_other(box):
    bare = {"id": "m1", "parentFolderId": "DRAFT", "isDraft": True, "internetMessageId": None}
    box.messages["m1"] = bare
    [head] = box.client.headers([Ref("m1")])
    assert head.received_at.year == 1970
    assert head.sender.address == ""
