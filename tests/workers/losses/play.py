"""What the tests of losses do over and over."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from crm.model import Tokens
from crm.store import mailboxes
from crm.store.mailboxes import NewMailbox
from providers.memory import MemoryClient
from tests.workers.conftest import Office

MARIA = "maria@globex.test"
ROOT = "root-1@acme.test"


def use(office: Office, make: Callable[[Any], MemoryClient]) -> None:
    """Let runs work with the clients that `make` makes of a mailbox in memory."""
    office._open = lambda mailbox: make(office.boxes[mailbox.id])  # type: ignore[method-assign]


def connect(office: Office, address: str = "ana@acme.test", **more: Any) -> None:
    """Connect a mailbox again, as the web side does."""
    values: dict[str, Any] = {
        "user_id": office.user(address),
        "address": address,
        "provider": "memory",
        "tokens": Tokens("access-2", "refresh-2", office.clock + timedelta(hours=1)),
        "cursor": "99",
    }
    with office.database.begin() as conn:
        new = NewMailbox(**values | more)
        mailboxes.connect(conn, office.account_id, new, office.secrets, office.clock)


def before(office: Office, mailbox: int, method: str, act: Callable[[], None]) -> None:
    """Do `act` once, just before the next call of `method`."""
    box = office.boxes[mailbox]
    original = box.enter

    def enter(called: str) -> None:
        if called == method:
            box.enter = original  # type: ignore[method-assign]
            act()
        box.enter(called) if box.enter is not enter else original(called)

    box.enter = enter  # type: ignore[method-assign]


def reply(office: Office, mailbox: int, name: str, **more: Any) -> str:
    return office.deliver(mailbox, MARIA, "Re: Offer 12", name, answers=ROOT, **more)
