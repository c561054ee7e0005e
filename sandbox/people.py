"""The people who are there from the start."""

from sandbox.google.people import new_backend as new_google
from sandbox.microsoft.people import new_backend as new_microsoft
from sandbox.world import Backend, Person, PlainMailbox, World

SEEDED = (
    ("ana@acme.test", "Ana Acme", "google"),
    ("ben@acme365.test", "Ben Acme", "microsoft"),
    ("cleo@acme.test", "Cleo Acme", "google"),
    ("dora@acme365.test", "Dora Acme", "microsoft"),
    ("maria@globex.test", "Maria Globex", "plain"),
    ("bob@globex.test", "Bob Globex", "plain"),
    ("joe@umbrella.test", "Joe Umbrella", "plain"),
    ("zoe@stranger.test", "Zoe Stranger", "plain"),
)


def add_person(world: World, address: str, name: str, provider: str) -> Person:
    """A new person with an empty mailbox; raises ValueError for an unknown provider."""
    if "@" not in address:
        raise ValueError("an address has an @")
    with world.lock:
        return world.add(address, name, provider, _backend(world, address.lower(), name, provider))


def _backend(world: World, address: str, name: str, provider: str) -> Backend:
    if provider == "google":
        return new_google(world, address, name)
    if provider == "microsoft":
        return new_microsoft(world, address, name)
    if provider == "plain":
        return PlainMailbox(world, address)
    raise ValueError("provider is google, microsoft or plain")


def seed(world: World) -> None:
    """Put the seeded people in."""
    for address, name, provider in SEEDED:
        add_person(world, address, name, provider)
