import socket
import threading
from collections.abc import Iterator

import dns.message
import dns.rcode
import dns.rrset
import pytest

from infra.settings import Settings
from providers.client import Retry
from providers.hosts import Host, host_of, provider_of
from tests.sandbox_process import Sandbox

ZONE = {
    "old.test.": ("10 aspmx.l.google.com.", "20 alt1.aspmx.l.google.com.", "30 aspmx2.googlemail.com."),
    "new.test.": ("1 SMTP.Google.Com.",),
    "ms.test.": ("0 ms-test.mail.protection.outlook.com.",),
    "dnssec.test.": ("0 dnssec-test.o-v1.mx.microsoft.",),
    "hotmail.test.": ("2 hotmail-com.olc.protection.outlook.com.",),
    "filter.test.": ("10 mx1.filter.test.", "20 mx2.filter.test."),
    "moving.test.": ("20 moving-test.mail.protection.outlook.com.", "10 smtp.google.com."),
    "lookalike.test.": ("10 smtp.google.com.evil.test.", "20 xmail.protection.outlook.com.evil.test."),
    "null.test.": ("0 .",),
    "nomx.test.": (),
    "xn--mller-kva.test.": ("1 smtp.google.com.",),
}  # fmt: skip


@pytest.fixture
def dns_server() -> Iterator[Settings]:
    """Settings that lead to a DNS server with `ZONE`; it does not answer for slow.test."""
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            data, peer = server.recvfrom(4096)
            query = dns.message.from_wire(data)
            name = query.question[0].name.to_text().lower()
            if name == "stop.":
                return
            answer = dns.message.make_response(query)
            if name == "broken.test.":
                answer.set_rcode(dns.rcode.SERVFAIL)
            elif name not in ZONE:
                answer.set_rcode(dns.rcode.NXDOMAIN)
            elif ZONE[name]:
                answer.answer.append(dns.rrset.from_text(name, 60, "IN", "MX", *ZONE[name]))
            if name != "slow.test.":
                server.sendto(answer.to_wire(), peer)

    thread = threading.Thread(target=serve)
    thread.start()
    port = server.getsockname()[1]
    yield Settings(dns_server=f"127.0.0.1:{port}")
    server.sendto(dns.message.make_query("stop.", "MX").to_wire(), ("127.0.0.1", port))
    thread.join()
    server.close()


@pytest.mark.parametrize(
    ("domain", "host"),
    [
        ("old.test", Host.GMAIL),
        ("new.test", Host.GMAIL),
        ("NEW.TEST", Host.GMAIL),
        ("new.test.", Host.GMAIL),
        ("müller.test", Host.GMAIL),
        ("moving.test", Host.GMAIL),
        ("ms.test", Host.GRAPH),
        ("dnssec.test", Host.GRAPH),
        ("hotmail.test", Host.OUTLOOK_COM),
        ("filter.test", Host.OTHER),
        ("lookalike.test", Host.OTHER),
        ("nomx.test", Host.OTHER),
        ("null.test", Host.NO_MAIL),
        ("missing.test", Host.NO_DOMAIN),
        ("broken.test", Host.UNKNOWN),
    ],
)
def test_mx_records_tell_who_hosts_a_domain(dns_server, domain, host):
    assert host_of(f"ana@{domain}", dns_server) is host


def test_a_provider_is_named_only_when_it_can_be_connected(dns_server):
    assert provider_of("ana@new.test", dns_server) == "gmail"
    assert provider_of("ana@ms.test", dns_server) == "graph"
    for domain in ("hotmail.test", "filter.test", "null.test", "missing.test"):
        assert provider_of(f"ana@{domain}", dns_server) is None


@pytest.mark.timeout(120)  # without a limit of ours it would be asked for ever
def test_a_dns_server_that_does_not_answer_is_told_apart(dns_server):
    assert host_of("ana@slow.test", dns_server) is Host.UNKNOWN
    with pytest.raises(Retry):
        provider_of("ana@broken.test", dns_server)


def test_gmail_com_needs_no_dns():
    assert host_of("ana@gmail.com", Settings(dns_server="127.0.0.1:9")) is Host.GMAIL


@pytest.mark.parametrize(
    "address",
    ["", "ana", "ana@", "@", "ana@localhost", "ana@a..test", "ana@\x00\r\n.test", "ana@" + "a" * 300,
     "ana@" + "x" * 70 + ".test", "ana@\ud800.test", "a b@c d", "ana@bad\\001.test"],
)  # fmt: skip
def test_hostile_input_asks_nobody(address):
    assert host_of(address, Settings(dns_server="127.0.0.1:9")) is Host.NO_ADDRESS


def test_a_dns_server_without_a_name_is_no_crash():
    assert host_of("ana@new.test", Settings(dns_server="no-such-host.invalid:53")) is Host.UNKNOWN


def test_the_sandbox_hosts_its_domains(sandbox: Sandbox):
    settings = Settings(dns_server=sandbox.dns)
    assert provider_of("ana@acme.test", settings) == "gmail"
    assert provider_of("ben@acme365.test", settings) == "graph"
    assert provider_of("maria@globex.test", settings) is None
