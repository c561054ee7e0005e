"""A load generator of our own: processes with kept connections that send ready-made requests.

`wrk` would do, but is not everywhere. A connection sends its next request as soon as the last one
is answered; one process makes about 20,000 requests a second, several times what is measured.
"""

import multiprocessing
import os
import select
import socket
import time
from collections.abc import Sequence
from multiprocessing.connection import Connection
from urllib.parse import urlsplit

from tests.bench.rig import OTHERS

CONNECTIONS = 8  # a process


def request(url: str, body: bytes, headers: dict[str, str]) -> bytes:
    """A POST as bytes, on a connection that stays open."""
    parts = urlsplit(url)
    lines = [f"POST {parts.path} HTTP/1.1", f"Host: {parts.netloc}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    return "\r\n".join([*lines, "", ""]).encode() + body


def per_second(
    url: str, requests: Sequence[bytes], seconds: float, status: int = 204, processes: int = 2
) -> float:
    """Requests answered with `status` per second. Raises ValueError where more than one in a
    hundred was answered with another."""
    jobs = []
    for number in range(processes):
        ours, theirs = multiprocessing.Pipe()
        part = requests[number::processes] or requests
        process = multiprocessing.Process(target=_send, args=(theirs, url, part, seconds, status))
        process.start()
        jobs.append((process, ours))
    answers = [ours.recv() for _, ours in jobs]
    for process, _ in jobs:
        process.join()
    wrong = [answer for answer in answers if isinstance(answer, str)]
    if wrong:
        raise ValueError(wrong[0])
    return sum(answers)


def _send(
    out: Connection, url: str, requests: Sequence[bytes], seconds: float, status: int
) -> None:
    os.sched_setaffinity(0, set(OTHERS))
    try:
        out.send(_loop(url, requests, seconds, status))
    except (ValueError, OSError) as error:
        out.send(str(error))


def _loop(url: str, requests: Sequence[bytes], seconds: float, status: int) -> float:
    clients = [connect(url) for _ in range(CONNECTIONS)]
    waiting = select.epoll()
    by_number = {client.fileno(): client for client in clients}
    for number in by_number:
        waiting.register(number, select.EPOLLIN)
    done, wrong, turn = 0, 0, 0
    began = time.perf_counter()
    for client in clients:
        turn += 1
        client.sendall(requests[turn % len(requests)])
    while (now := time.perf_counter()) - began < seconds:
        for number, _ in waiting.poll(1):
            client = by_number[number]
            answer = client.recv(4096)
            done += 1
            turn += 1
            wrong += answer[9:12] != b"%d" % status
            client.sendall(requests[turn % len(requests)])
    for client in clients:
        client.close()
    if wrong * 100 > done:
        raise ValueError(f"{wrong} of {done} answers were not {status}")
    return (done - wrong) / (now - began)


def connect(url: str) -> socket.socket:
    parts = urlsplit(url)
    client = socket.create_connection((parts.hostname or "", parts.port or 80), timeout=30)
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return client


def paced(url: str, requests: Sequence[bytes], rate: float, seconds: float) -> list[float]:
    """Milliseconds of each of `rate` requests a second on one connection, from when it was due."""
    client = connect(url)
    found = []
    began = time.perf_counter()
    for number in range(int(rate * seconds)):
        due = began + number / rate
        while (left := due - time.perf_counter()) > 0:
            time.sleep(min(left, 0.001))
        client.sendall(requests[number % len(requests)])
        client.recv(4096)
        found.append((time.perf_counter() - due) * 1000)
    client.close()
    return found


def once(url: str, request: bytes) -> tuple[int, float]:
    """Status and seconds of one request on a connection of its own."""
    client = connect(url)
    began = time.perf_counter()
    client.sendall(request)
    answer = client.recv(4096)
    client.close()
    return int(answer[9:12]), time.perf_counter() - began
