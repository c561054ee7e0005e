"""Handing mail to a real SMTP server: plain on this machine, else by TLS."""

import socket
from email.message import EmailMessage

import pytest

from infra import mailer as mailers
from infra.mailer import Mailer, NotSent
from tests.mail_server import certificate, serving


def letter():
    message = EmailMessage()
    message["To"], message["Subject"] = "ana@acme.test", "Réconnectez"
    message.set_content("Hello.\n")
    return message


def mailer(url):
    return Mailer(url, "replylog <crm@acme.test>", "https://crm.acme.test")


@pytest.fixture
def trusted(tmp_path, monkeypatch):
    """A certificate that this process trusts."""
    file = certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    return file


def test_a_mail_is_handed_over():
    with serving() as (box, port):
        mailer(f"smtp://127.0.0.1:{port}").send(letter())
        [got] = box.letters
    assert (got["From"], got["To"]) == ("replylog <crm@acme.test>", "ana@acme.test")
    assert got["Subject"] == "Réconnectez"


def test_smtp_signs_in_by_starttls(trusted):
    with serving(trusted, password="p@ss:word") as (box, port):
        mailer(f"smtp://me:p%40ss%3Aword@127.0.0.1:{port}").send(letter())
        assert len(box.letters) == 1


def test_smtps_speaks_tls_from_the_first_byte(trusted):
    with serving(trusted, wrapped=True, password="secret") as (box, port):
        mailer(f"smtps://me:secret@127.0.0.1:{port}").send(letter())
        assert len(box.letters) == 1


def test_a_server_that_is_not_trusted_gets_no_password(tmp_path):
    with serving(certificate(tmp_path), password="secret") as (box, port):
        with pytest.raises(NotSent) as caught:
            mailer(f"smtp://me:secret@127.0.0.1:{port}").send(letter())
        assert box.letters == []
    assert caught.value.error == "SSLCertVerificationError"


def test_a_server_elsewhere_without_starttls_gets_nothing(monkeypatch):
    monkeypatch.setattr(mailers, "is_loopback", lambda _url: False)
    with serving() as (box, port):
        with pytest.raises(NotSent):
            mailer(f"smtp://127.0.0.1:{port}").send(letter())
        assert box.letters == []


def test_a_wrong_password_is_told(trusted, monkeypatch):
    monkeypatch.setattr(mailers, "TIMEOUT", 0.5)  # the server falls silent
    with serving(trusted, password="secret") as (_, port), pytest.raises(NotSent) as caught:
        mailer(f"smtp://me:wrong@127.0.0.1:{port}").send(letter())
    assert caught.value.error in {"SMTPAuthenticationError", "SMTPServerDisconnected"}


def test_nobody_there_is_told():
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        with pytest.raises(NotSent):
            mailer(f"smtp://127.0.0.1:{held.getsockname()[1]}").send(letter())


def test_a_refused_mail_is_told():
    with serving() as (box, port):
        box.refusals = ["554 no"]
        with pytest.raises(NotSent) as caught:
            mailer(f"smtp://127.0.0.1:{port}").send(letter())
    assert caught.value.error == "SMTPDataError"
