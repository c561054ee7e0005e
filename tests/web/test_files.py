"""Downloads, pictures within a mail, and all files of a contact."""

from dataclasses import dataclass, field
from email.message import EmailMessage
from typing import Any

import pytest

from crm import messages
from crm.model import FileState, Visibility
from crm.rules.files import CUT
from crm.store import files
from crm.store.visibility import Viewer, restrict
from infra.blobs import Blobs
from infra.settings import Settings
from tests.web.company import BCC, Company
from tests.web.conftest import Client
from web import mail_html
from web.files import disposition, media_type

MARIA = "maria@globex.test"
PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256))
PDF = b"%PDF-1.7 " + bytes(500)


@dataclass
class Desk:
    """Ana's mailbox and what Maria sends to it."""

    company: Company
    blobs: Blobs
    maria: int = 0
    numbers: dict[str, int] = field(default_factory=dict)  # name of a file: its id

    def __post_init__(self) -> None:
        self.company.connect("ana@acme.test")
        self.maria = self.company.contact("Maria Rossi", MARIA)
        root = self.company.mail("ana@acme.test", MARIA, "Offer", "Here.", bcc=BCC)
        self.root = root["Message-ID"]
        self.company.bring("ana@acme.test", root)

    def answer(self, *attached: tuple[str, str, bytes], keep: bool = True, **more: str) -> int:
        """A reply with files (name, type, content), read as a worker reads them; its id."""
        mail = self.company.mail(
            MARIA, "ana@acme.test", "Re: Offer", "Yes.", answers=self.root, **more
        )
        for name, kind, content in attached:
            self._attach(mail, name, kind, content)
        email_id = self.company.bring("ana@acme.test", mail)
        assert email_id is not None
        with self.company.database.begin() as conn:
            for due in files.due(conn, self.company.boxes["ana@acme.test"], self.company.now, 50):
                content = messages.attachment(mail.as_bytes(), due.part) or b""
                if keep:
                    blob = self.blobs.put(self.company.account, [content])
                    files.keep(conn, due, blob.digest, blob.size)
                self.numbers[due.filename] = due.id
        return email_id

    @staticmethod
    def _attach(mail: EmailMessage, name: str, kind: str, content: bytes) -> None:
        main, _, sub = kind.partition("/")
        more: dict[str, Any] = {}
        if name.endswith(".inline"):
            more = {"disposition": "inline", "cid": f"<{name}@x>"}
        mail.add_attachment(content, maintype=main, subtype=sub, filename=name, **more)

    def end(self, name: str, state: FileState) -> None:
        with self.company.database.begin() as conn:
            box = self.company.boxes["ana@acme.test"]
            (due,) = (
                each for each in files.due(conn, box, self.company.now, 50) if each.filename == name
            )
            files.end(conn, due, state)


@pytest.fixture
def desk(company: Company, web_settings: Settings) -> Desk:
    return Desk(company, Blobs(web_settings))


def test_a_file_is_downloaded_as_it_came(ana: Client, desk: Desk):
    email_id = desk.answer(("Offer 12.pdf", "application/pdf", PDF * 5000))
    answer = ana.get(f"/emails/{email_id}/files/{desk.numbers['Offer 12.pdf']}")
    assert answer.data == PDF * 5000
    assert answer.content_length == len(PDF) * 5000
    assert answer.headers["Content-Disposition"].startswith('attachment; filename="Offer 12.pdf"')
    assert answer.headers["Content-Type"] == "application/octet-stream"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in answer.headers["Content-Security-Policy"]
    assert "'self'" not in answer.headers["Content-Security-Policy"]


def test_an_empty_file_is_downloaded_too(ana: Client, desk: Desk):
    email_id = desk.answer(("empty.bin", "application/octet-stream", b""))
    answer = ana.get(f"/emails/{email_id}/files/{desk.numbers['empty.bin']}")
    assert (answer.status_code, answer.data) == (200, b"")


ACTING = {
    "html": ("a.html", "text/html", b"<script>alert(1)</script>"),
    "svg": ("a.svg", "image/svg+xml", b"<svg onload='alert(1)'>"),
    "xml": ("a.xml", "text/xml", b"<?xml version='1.0'?><x/>"),
    "pdf": ("a.pdf", "application/pdf", PDF),
    "html that says it is a picture": ("a.png", "image/png", b"<html><script>alert(1)</script>"),
    "html after the first bytes of a program": (
        "a.jpg",
        "image/jpeg",
        b"MZ<script>alert(1)</script>",
    ),
}


@pytest.mark.parametrize("name", ACTING)
def test_nothing_is_ever_a_page_of_ours(ana: Client, desk: Desk, name):
    email_id = desk.answer(ACTING[name])
    answer = ana.get(f"/emails/{email_id}/files/{desk.numbers[ACTING[name][0]]}")
    assert answer.headers["Content-Type"] == "application/octet-stream"
    assert answer.headers["Content-Disposition"].startswith("attachment;")


@pytest.mark.parametrize(
    ("first", "kind"),
    [
        (PNG, "image/png"),
        (b"\xff\xd8\xff\xe0rest", "image/jpeg"),
        (b"GIF89a.....", "image/gif"),
        (b"RIFF\x10\0\0\0WEBPVP8 ", "image/webp"),
        (b"RIFF\x10\0\0\0WAVEfmt ", "application/octet-stream"),
        (b"", "application/octet-stream"),
        (b"BM6\0", "application/octet-stream"),
    ],
)
def test_a_picture_is_one_by_its_first_bytes(first, kind):
    assert media_type(first) == kind


@pytest.mark.parametrize(
    ("name", "header"),
    [
        ("a.pdf", "filename=\"a.pdf\"; filename*=UTF-8''a.pdf"),
        ("Übersicht 2026.pdf", "filename=\"_bersicht 2026.pdf\"; filename*=UTF-8''%C3%9Cbersicht%202026.pdf"),
        ('a"; x="\r\nSet-Cookie: y=1', "filename=\"a; x= Set-Cookie y=1\"; filename*=UTF-8''a%3B%20x%3D%20Set-Cookie%20y%3D1"),
        ("../../etc/passwd", "filename=\"passwd\"; filename*=UTF-8''passwd"),
        ("100%.txt", "filename=\"100_.txt\"; filename*=UTF-8''100%25.txt"),
        ("", "filename=\"file\"; filename*=UTF-8''file"),
    ],
    ids=["plain", "umlaut", "a header in it", "a path", "per cent", "none"],
)  # fmt: skip
def test_a_name_is_told_in_both_forms(name, header):
    assert disposition(name) == f"attachment; {header}"


def test_who_may_not_see_the_e_mail_gets_no_file(ana: Client, desk: Desk, app, company: Company):
    email_id = desk.answer(("a.pdf", "application/pdf", PDF))
    path = f"/emails/{email_id}/files/{desk.numbers['a.pdf']}"
    ben = Client(app)
    ben.sign_in("ben@acme.test")
    assert ben.get(path).status_code == 200
    owner = company.world.users["ana@acme.test"]
    with company.database.begin() as conn:
        restrict(conn, Viewer(company.account, owner), email_id, Visibility.OWNER)
    assert ben.get(path).status_code == 404
    assert "a.pdf" not in ben.get(f"/contacts/{desk.maria}/files").text
    assert ana.get(path).status_code == 200
    assert "a.pdf" in ana.get(f"/contacts/{desk.maria}/files").text


def test_a_file_of_another_e_mail_is_not_there(ana: Client, desk: Desk):
    one = desk.answer(("a.pdf", "application/pdf", PDF))
    other = desk.answer(("b.pdf", "application/pdf", PDF))
    assert ana.get(f"/emails/{other}/files/{desk.numbers['a.pdf']}").status_code == 404
    assert ana.get(f"/emails/{one}/files/{desk.numbers['a.pdf']}").status_code == 200


def test_nobody_gets_a_file_without_signing_in(client: Client, desk: Desk):
    email_id = desk.answer(("a.pdf", "application/pdf", PDF))
    answer = client.get(f"/emails/{email_id}/files/{desk.numbers['a.pdf']}")
    assert answer.status_code == 302
    assert "/sign-in" in answer.location


def test_a_file_whose_bytes_are_gone_is_not_there(ana: Client, desk: Desk):
    email_id = desk.answer(("a.pdf", "application/pdf", PDF))
    for some in desk.blobs.listing():
        for each in some:
            desk.blobs.delete(each.account_id, each.digest)
    assert ana.get(f"/emails/{email_id}/files/{desk.numbers['a.pdf']}").status_code == 404


def test_a_place_that_is_away_is_told_as_such(make_app, company: Company, desk: Desk):
    email_id = desk.answer(("a.pdf", "application/pdf", PDF))
    away = {"files_url": "s3://none", "files_s3_endpoint": "http://127.0.0.1:1"}
    client = Client(make_app(away))
    client.sign_in()
    assert client.get(f"/emails/{email_id}/files/{desk.numbers['a.pdf']}").status_code == 503


WHY = {
    FileState.OFF: "attachments are switched off",
    FileState.TOO_LARGE: "too large",
    FileState.UNAVAILABLE: "not available",
    FileState.LINK: "sender&#39;s cloud",
}


@pytest.mark.parametrize("state", WHY)
def test_a_file_that_is_not_kept_says_why(ana: Client, desk: Desk, state):
    email_id = desk.answer(("plan.pdf", "application/pdf", PDF), keep=False)
    assert "being fetched" in ana.get(f"/emails/{email_id}").text
    desk.end("plan.pdf", state)
    for path in (f"/emails/{email_id}", f"/contacts/{desk.maria}", f"/contacts/{desk.maria}/files"):
        text = ana.get(path).text
        assert "plan.pdf" in text, path
        assert WHY[state] in text, path
        assert f'href="/emails/{email_id}/files/' not in text, path
    assert ana.get(f"/emails/{email_id}/files/{desk.numbers['plan.pdf']}").status_code == 404


def test_a_picture_in_the_text_is_shown_there_and_not_among_the_files(ana: Client, desk: Desk):
    html = '<p>Hi <img src="cid:logo.inline@x" alt="Logo"></p>'
    email_id = desk.answer(
        ("logo.inline", "image/png", PNG), ("a.pdf", "application/pdf", PDF), html=html
    )
    url = f"/emails/{email_id}/files/{desk.numbers['logo.inline']}"
    for path in (f"/emails/{email_id}/body", f"/emails/{email_id}/whole"):
        document = ana.get(path)
        assert f'<img src="{url}" alt="Logo">' in document.text, path
        assert "img-src 'self' data:;" in document.headers["Content-Security-Policy"]
    assert ana.get(url).headers["Content-Type"] == "image/png"
    text = ana.get(f"/emails/{email_id}").text
    assert "a.pdf" in text
    assert "logo.inline" not in text


def test_a_picture_that_the_text_does_not_show_is_among_the_files(ana: Client, desk: Desk):
    email_id = desk.answer(("photo.inline", "image/png", PNG))
    assert "photo.inline" in ana.get(f"/emails/{email_id}").text


def test_a_picture_of_another_e_mail_is_not_shown(ana: Client, desk: Desk):
    desk.answer(("logo.inline", "image/png", PNG))
    email_id = desk.answer(html='<p>Hi <img src="cid:logo.inline@x"></p>')
    assert "<img" not in ana.get(f"/emails/{email_id}/body").text


def test_a_contact_s_files_are_listed_newest_first_with_their_sender(ana: Client, desk: Desk):
    assert "No attachments yet" in ana.get(f"/contacts/{desk.maria}/files").text
    for n in range(7):
        desk.answer((f"file-{n}.pdf", "application/pdf", b"%d" % n))
    text = ana.get(f"/contacts/{desk.maria}/files").text
    places = [text.index(f"file-{n}.pdf") for n in range(7)]
    assert places == sorted(places, reverse=True)
    assert MARIA in text
    on_page = ana.get(f"/contacts/{desk.maria}").text
    newest = on_page.partition("<h2>Attachments</h2>")[2].partition("</aside>")[0]
    assert [f"file-{n}.pdf" in newest for n in range(7)] == [False, False, *[True] * 5]
    assert f'href="/contacts/{desk.maria}/files"' in newest


def test_a_contact_s_files_are_paged(ana: Client, desk: Desk, monkeypatch):
    monkeypatch.setattr("web.files.PER_PAGE", 2)
    desk.answer(*((f"file-{n}.pdf", "application/pdf", b"%d" % n) for n in range(5)))
    seen, path = [], f"/contacts/{desk.maria}/files"
    while path:
        text = ana.get(path).text
        seen += [f"file-{n}.pdf" for n in range(5) if f"file-{n}.pdf" in text]
        path = (
            text.partition('class="plain-button" href="')[2].partition('"')[0].replace("&amp;", "&")
        )
    assert sorted(seen) == [f"file-{n}.pdf" for n in range(5)]
    assert ana.get(f"/contacts/{desk.maria}/files?after=x").status_code == 404
    assert ana.get("/contacts/9999/files").status_code == 404


# -- view-entire


def test_a_body_of_exactly_100_kib_is_shown_whole(ana: Client, desk: Desk):
    head, tail = "<p>", "END</p>"
    html = head + "x" * (CUT - len(head) - len(tail) - 1) + tail
    email_id = desk.answer(html=html)
    assert "View entire message" not in ana.get(f"/emails/{email_id}").text
    assert "END" in ana.get(f"/emails/{email_id}/body").text


@pytest.mark.parametrize("letter", ["q", "ü"], ids=["of one byte", "of two"])
def test_a_longer_body_is_cut_and_can_be_viewed_entire(ana: Client, desk: Desk, letter):
    html = f"<p>{letter * (CUT + 10)}</p><p>THE END</p>"
    email_id = desk.answer(html=html)
    page = ana.get(f"/emails/{email_id}").text
    assert "View entire message" in page
    assert 'target="_blank"' in page.partition("View entire message")[0].rpartition("<a")[2]
    shut = ana.get(f"/emails/{email_id}/body").text
    assert "THE END" not in shut
    assert CUT / len(letter.encode()) - 100 < shut.count(letter) <= CUT
    assert "THE END" in ana.get(f"/emails/{email_id}/whole").text


@pytest.mark.parametrize("longest", ["LONGEST", "LONGEST_ENTIRE"])
def test_entire_means_entire_whatever_the_length(ana: Client, desk: Desk, longest):
    line = f"<p>{'word ' * 200}</p>\n"
    lines = getattr(mail_html, longest) // len(line) + 10
    email_id = desk.answer(html=line * lines + "<p>THE &amp; END</p>")
    text = ana.get(f"/emails/{email_id}/whole").text
    assert "THE &amp; END" in text
    assert text.count("word") == 200 * lines
