"""Who hosts a domain's mail, by its MX records."""

import re
import socket
from enum import StrEnum
from urllib.parse import urlsplit

import dns.exception
import dns.name
import dns.rdatatype
import dns.resolver

from crm.addresses import normalise
from infra.settings import Settings
from providers.client import Retry

TRY = 1.0  # seconds for one try
PATIENCE = 2.0  # seconds in all


class Host(StrEnum):
    """What DNS says of an address. The first two are names of providers."""

    GMAIL = "gmail"
    GRAPH = "graph"
    OUTLOOK_COM = "outlook.com"  # Microsoft's mail for consumers: not supported
    OTHER = "other"  # somebody else, or a filter service in front of whoever it is
    NO_MAIL = "no-mail"  # the domain takes no mail (null MX, RFC 7505)
    NO_DOMAIN = "no-domain"  # there is no such domain
    NO_ADDRESS = "no-address"  # not an address
    UNKNOWN = "unknown"  # DNS did not answer


# The first that matches a mail server's name decides.
_SERVERS = (
    (re.compile(r"(smtp\.google\.com|.+\.l\.google\.com|.+\.googlemail\.com)\Z"), Host.GMAIL),
    (re.compile(r".+\.olc\.protection\.outlook\.com\Z"), Host.OUTLOOK_COM),
    (re.compile(r".+(\.mail\.protection\.outlook\.com|\.mx\.microsoft)\Z"), Host.GRAPH),
)
_SHORTEST = 3  # labels of a mail domain, the root counted
_KNOWN = {"gmail.com": Host.GMAIL, "googlemail.com": Host.GMAIL}


def provider_of(address: str, settings: Settings) -> str | None:
    """The provider that can be connected for `address`; None where there is none.

    Raises Retry when DNS does not answer; `host_of` tells more.
    """
    host = host_of(address, settings)
    if host is Host.UNKNOWN:
        raise Retry(None, "DNS does not answer")
    return host.value if host in {Host.GMAIL, Host.GRAPH} else None


def host_of(address: str, settings: Settings) -> Host:
    """Who hosts the mail of `address`. Takes two seconds at most; never raises."""
    domain = normalise(address).rpartition("@")[2]
    if domain in _KNOWN:
        return _KNOWN[domain]
    try:
        name = dns.name.from_text(domain) if domain else dns.name.root
    except (dns.exception.DNSException, UnicodeError):
        return Host.NO_ADDRESS
    if len(name) < _SHORTEST:
        return Host.NO_ADDRESS
    return _asked(name, settings.dns_server)


def _asked(name: dns.name.Name, server: str) -> Host:
    try:
        answer = _resolver(server).resolve(name, dns.rdatatype.MX, search=False)
    except dns.resolver.NXDOMAIN:
        return Host.NO_DOMAIN
    except dns.resolver.NoAnswer:
        return Host.OTHER  # mail goes to the domain's own address (RFC 5321, 5.1)
    except (dns.exception.DNSException, OSError):
        return Host.UNKNOWN
    records = sorted((record.preference, str(record.exchange).lower()) for record in answer)
    return _of_servers([exchange.rstrip(".") for _, exchange in records])


def _of_servers(servers: list[str]) -> Host:
    if servers == [""]:
        return Host.NO_MAIL
    found = (host for server in servers for pattern, host in _SERVERS if pattern.match(server))
    return next(found, Host.OTHER)


def _resolver(server: str) -> dns.resolver.Resolver:
    """The system's servers, or the one of the settings (host:port). Raises OSError."""
    resolver = dns.resolver.Resolver(configure=not server)
    if server:
        parts = urlsplit(f"dns://{server}")
        resolver.nameservers = [socket.gethostbyname(parts.hostname or "")]
        resolver.port = parts.port or resolver.port
    resolver.timeout, resolver.lifetime = TRY, PATIENCE
    return resolver
