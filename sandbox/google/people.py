"""Mailboxes of people at the pretend Google."""

from sandbox.world import Backend, PlainMailbox, World


def new_backend(world: World, address: str, name: str) -> Backend:
    """An empty mailbox."""
    del name
    return PlainMailbox(world, address)
