"""DNS over UDP for the pretend domains: who hosts whose mail."""

import socket
import threading
from contextlib import suppress

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset

from sandbox.world import World

TTL = 60  # seconds
GOOGLE_MX = ("1 smtp.google.com.", "5 aspmx.l.google.com.")


def mx_of(domain: str, provider: str) -> tuple[str, ...]:
    """The MX records a provider tells its customers to set."""
    if provider == "google":
        return GOOGLE_MX
    if provider == "microsoft":
        return (f"0 {domain.replace('.', '-')}.mail.protection.outlook.com.",)
    if provider == "plain":
        return (f"10 mx.{domain}.",)
    return (f"10 {provider}.",)  # a host's name


class Server:
    """Answers MX and SRV from `World.hosts`; behaves badly when `World.switches` say so."""

    def __init__(self, world: World, host: str, port: int) -> None:
        self._world = world
        world.switch("dns.mode", "ok")  # "ok", "timeout", "servfail" or "empty"
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((host, port))
        self.port: int = self._socket.getsockname()[1]
        threading.Thread(target=self._run, daemon=True).start()

    def close(self) -> None:
        self._socket.close()

    def _run(self) -> None:
        while True:
            try:
                data, client = self._socket.recvfrom(4096)
            except OSError:
                return
            answer = self._answer(data)
            if answer is not None:
                with suppress(OSError):  # who asked has gone
                    self._socket.sendto(answer, client)

    def _answer(self, data: bytes) -> bytes | None:
        try:
            query = dns.message.from_wire(data)
        except dns.exception.DNSException:
            return None
        self._world.count("dns.query")
        mode = self._world.switches["dns.mode"]
        if mode == "timeout" or not query.question:
            return None
        response = dns.message.make_response(query)
        response.flags |= dns.flags.AA
        if mode == "servfail":
            response.set_rcode(dns.rcode.SERVFAIL)
        elif mode != "empty":
            self._fill(query, response)
        return response.to_wire()

    def _fill(self, query: dns.message.Message, response: dns.message.Message) -> None:
        asked = query.question[0]
        name = asked.name.to_text(omit_final_dot=True).lower()
        domain = name.removeprefix("_imaps._tcp.").removeprefix("_submission._tcp.")
        with self._world.lock:
            provider = self._world.hosts.get(domain)
        if provider is None:
            response.set_rcode(dns.rcode.NXDOMAIN)
        elif asked.rdtype == dns.rdatatype.MX and name == domain:
            _add(response, asked.name, "MX", mx_of(domain, provider))
        elif asked.rdtype == dns.rdatatype.SRV and name != domain:
            port = 993 if name.startswith("_imaps") else 587
            records = (f"0 1 {port} mail.{domain}.",) if provider == "plain" else ("0 0 0 .",)
            _add(response, asked.name, "SRV", records)


def _add(
    response: dns.message.Message, name: dns.name.Name, kind: str, records: tuple[str, ...]
) -> None:
    response.answer.append(dns.rrset.from_text(name, TTL, "IN", kind, *records))
