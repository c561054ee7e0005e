"""Ports for servers that have to know theirs before they start."""

import random
import socket

BELOW_EPHEMERAL = (20_000, 32_000)  # a connection of somebody else's never takes one of these
_random = random.Random()  # another in every process, whatever a test seeds


def free_port() -> int:
    """A port of this machine's own address on which nobody listens."""
    while True:
        with socket.socket() as probe:
            port = _random.randrange(*BELOW_EPHEMERAL)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
