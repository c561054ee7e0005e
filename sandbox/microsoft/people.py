"""People with a mailbox at the pretend Microsoft 365."""

from sandbox.world import Backend, PlainMailbox, World


def new_backend(world: World, address: str, name: str) -> Backend:
    """A mailbox of the pretend Microsoft 365 for `address`; the caller puts it into the world."""
    del world, address, name
    return PlainMailbox()
