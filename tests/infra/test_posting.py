"""Posting to URLs from outside: where to, to whom it leads, how long, and what is read."""

import socket
import threading
from contextlib import contextmanager

import pytest

from infra import posting
from infra.posting import NotPosted, WrongUrl

OK = b"HTTP/1.1 204 No Content\r\n\r\n"


@contextmanager
def receiver(answer=OK, drip=None):
    """A server on this machine that answers one request with these bytes; gives its port and what
    it was sent. With `drip`, a byte now and then until that event."""
    got: list[bytes] = []
    listening = socket.create_server(("127.0.0.1", 0))

    def serve():
        try:
            line, _ = listening.accept()
        except OSError:
            return
        with line:
            line.settimeout(60)
            data = b""
            while b"\r\n\r\n" not in data or not data.endswith(b"}"):
                data += line.recv(65536)
            got.append(data)
            try:
                line.sendall(answer)
                while drip is not None and not drip.wait(0.02):
                    line.sendall(b"x")
            except OSError:
                return

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield listening.getsockname()[1], got
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        thread.join()


def test_a_post_arrives_with_its_headers_and_body():
    with receiver() as (port, got):
        answer = posting.post(
            f"http://127.0.0.1:{port}/a?b=c", {"webhook-id": "evt_1"}, b"{}", True
        )

    assert answer == posting.Answer(204)
    assert got[0].startswith(b"POST /a?b=c HTTP/1.1\r\n")
    assert b"webhook-id: evt_1\r\n" in got[0]
    assert b"replylog-webhooks" in got[0]


def test_a_redirect_is_an_answer_and_is_not_followed():
    with receiver(OK) as (second, never):
        redirect = f"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:{second}/\r\n\r\n".encode()
        with receiver(redirect) as (port, _):
            answer = posting.post(f"http://127.0.0.1:{port}/", {}, b"{}", True)

    assert (answer.status, never) == (302, [])


def test_an_answer_says_when_to_come_again():
    with receiver(b"HTTP/1.1 429 Slow\r\nRetry-After: 120\r\nContent-Length: 0\r\n\r\n") as (
        port,
        _,
    ):
        assert posting.post(f"http://127.0.0.1:{port}/", {}, b"{}", True).after == 120


def test_a_body_without_end_is_not_read():
    drip = threading.Event()
    with receiver(b"HTTP/1.1 200 OK\r\n\r\n", drip) as (port, _):
        answer = posting.post(f"http://127.0.0.1:{port}/", {}, b"{}", True)
        drip.set()

    assert answer.status == 200


def test_a_head_that_drips_is_cut_when_the_time_is_up(monkeypatch):
    monkeypatch.setattr(posting, "SECONDS", 0.2)
    drip = threading.Event()
    with receiver(b"HTTP/1.1 200 OK\r\nX-Slow: ", drip) as (port, _):
        with pytest.raises(NotPosted, match=r"^Timeout$"):
            posting.post(f"http://127.0.0.1:{port}/", {}, b"{}", True)
        drip.set()


def test_nobody_there_is_a_class_of_failure_and_no_text():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(NotPosted, match=r"^ConnectionError$"):
        posting.post(f"http://127.0.0.1:{port}/secret-path", {}, b"{}", True)


@pytest.mark.parametrize(
    "leads_to",
    ["127.0.0.1", "10.0.0.1", "172.16.5.5", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0",
     "::1", "fd00::1", "fe80::1", "::ffff:10.0.0.1", "64:ff9b::a00:1", "224.0.0.1"],
)  # fmt: skip
def test_a_name_that_leads_to_a_private_address_is_not_posted_to(monkeypatch, leads_to):
    family = socket.AF_INET6 if ":" in leads_to else socket.AF_INET
    found = [(family, socket.SOCK_STREAM, 6, "", (leads_to, 443))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **more: found)

    with pytest.raises(NotPosted, match=r"^ForbiddenAddress$"):
        posting.post("https://crm.test/hook", {}, b"{}")


@pytest.mark.parametrize("url", ["http://crm.test/hook", "https://127.0.0.1/"])
def test_a_url_that_was_stored_while_more_was_allowed_is_not_posted_to(url):
    with pytest.raises(NotPosted, match=r"^WrongUrl$"):
        posting.post(url, {}, b"{}")


def test_the_address_that_was_checked_is_the_one_that_is_connected_to(monkeypatch):
    asked, reached = [], []

    def resolve(host, port, *args, **more):
        asked.append(host)
        address = "93.184.215.14" if host == "crm.test" and len(asked) == 1 else "127.0.0.1"
        if host[0].isdigit():
            address = host  # an address is no name
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    def connect(self, address):
        reached.append(address[0])
        raise ConnectionRefusedError

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    monkeypatch.setattr(socket.socket, "connect", connect)
    with pytest.raises(NotPosted, match=r"^ConnectionError$"):
        posting.post("https://crm.test/hook", {}, b"{}")

    assert reached == ["93.184.215.14"]
    assert asked.count("crm.test") == 1


@pytest.mark.parametrize(
    "url",
    ["http://crm.test/", "ftp://crm.test/", "crm.test/hook", "https://", "https://user:pw@crm.test/", "https://a b.test/",
     "https://crm.test/#x", "https://crm.test:99999/", "https://127.0.0.1/", "https://[::1]/", "https://0x7f000001/",
     "https://2130706433/", "https://127.1/", "https://169.254.169.254/latest", "https://10.0.0.1:8443/", "https://crm.test/" + "x" * 2000],
    ids=lambda url: url[:40],
)  # fmt: skip
def test_what_is_no_public_https_address_is_refused_when_it_is_written_down(url):
    with pytest.raises(WrongUrl):
        posting.check(url)


def test_an_installation_of_this_machine_may_post_to_itself_without_https():
    assert posting.check(" http://127.0.0.1:9000/hook ", True) == "http://127.0.0.1:9000/hook"
    assert posting.check("https://crm.test:8443/hook?key=1") == "https://crm.test:8443/hook?key=1"
