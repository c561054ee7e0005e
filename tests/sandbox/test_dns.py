"""The DNS of the pretend world."""

import dns.exception
import dns.resolver
import pytest

from tests.sandbox_process import Sandbox


@pytest.fixture
def resolver(sandbox: Sandbox) -> dns.resolver.Resolver:
    found = dns.resolver.Resolver(configure=False)
    host, _, port = sandbox.dns.partition(":")
    found.nameservers, found.port, found.lifetime = [host], int(port), 1.0
    return found


def mx(resolver: dns.resolver.Resolver, domain: str) -> set[str]:
    return {str(one.exchange) for one in resolver.resolve(domain, "MX")}


def test_mx_tells_who_hosts_a_domain_and_follows_changes(
    sandbox: Sandbox, resolver: dns.resolver.Resolver
) -> None:
    assert mx(resolver, "acme.test") == {"smtp.google.com.", "aspmx.l.google.com."}
    assert mx(resolver, "ACME365.test") == {"acme365-test.mail.protection.outlook.com."}
    assert mx(resolver, "globex.test") == {"mx.globex.test."}
    sandbox.post("/control/mx", domain="acme.test", provider="microsoft")
    assert mx(resolver, "acme.test") == {"acme-test.mail.protection.outlook.com."}
    sandbox.post("/control/mx", domain="acme.test", host="mx.elsewhere.test")
    assert mx(resolver, "acme.test") == {"mx.elsewhere.test."}


def test_unknown_domains_do_not_exist_and_known_ones_may_have_no_answer(
    sandbox: Sandbox, resolver: dns.resolver.Resolver
) -> None:
    with pytest.raises(dns.resolver.NXDOMAIN):
        mx(resolver, "nowhere.test")
    with pytest.raises(dns.resolver.NoAnswer):
        resolver.resolve("acme.test", "A")
    sandbox.post("/control/mx", domain="acme.test")
    with pytest.raises(dns.resolver.NXDOMAIN):
        mx(resolver, "acme.test")


def test_srv_names_the_imap_server_of_a_plain_domain(
    sandbox: Sandbox, resolver: dns.resolver.Resolver
) -> None:
    (found,) = resolver.resolve("_imaps._tcp.globex.test", "SRV")
    assert (str(found.target), found.port) == ("mail.globex.test.", 993)
    (none,) = resolver.resolve("_imaps._tcp.acme.test", "SRV")
    assert str(none.target) == "."


def test_the_server_can_fail_or_stay_silent(
    sandbox: Sandbox, resolver: dns.resolver.Resolver
) -> None:
    sandbox.post("/control/switches", **{"dns.mode": "servfail"})
    with pytest.raises(dns.resolver.NoNameservers):
        mx(resolver, "acme.test")
    sandbox.post("/control/switches", **{"dns.mode": "empty"})
    with pytest.raises(dns.resolver.NoAnswer):
        mx(resolver, "acme.test")
    sandbox.post("/control/switches", **{"dns.mode": "timeout"})
    resolver.lifetime = 0.3
    with pytest.raises(dns.exception.Timeout):
        mx(resolver, "acme.test")
