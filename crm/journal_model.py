"""What the journal's words are made of: a row with what is known around it, and what comes out."""

from dataclasses import dataclass, field
from enum import StrEnum

from crm.model import AccountSettings, VerdictKind
from crm.store.journal import Entry
from crm.store.journal_facts import Answered, Known, Stands
from crm.store.mailbox_rows import Mailbox
from crm.store.waiting import Waiting

PROVIDERS = {"gmail": "Gmail", "graph": "Outlook"}


class Do(StrEnum):
    """What a row offers to do about its verdict."""

    ADD_CONTACT = "add-contact"
    SAME_PERSON = "same-person"  # target: a contact's id
    FORWARD = "forward"
    TICK = "tick"
    NEVER_LOG = "never-log"  # target: an entry's id
    ALLOW = "allow"  # target: a switch
    RECONNECT = "reconnect"
    OPEN = "open"  # in the provider's own pages
    AGAIN = "again"
    GIVE_UP = "give-up"


@dataclass(frozen=True, slots=True)
class Action:
    """Something that is carried out beside the row; `hint` says what comes of it."""

    do: Do
    label: str
    target: str = ""
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Listed:
    """An entry of a Never Log list that is in the way; `own` for the reader's own list."""

    id: int
    entry: str
    own: bool


@dataclass(frozen=True, slots=True)
class About:
    """All that the words about a row may use."""

    entry: Entry
    mailbox: Mailbox
    settings: AccountSettings
    is_admin: bool = False
    sender: Known | None = None  # the contact who has the sender's address
    thread: Answered | None = None
    stands: Stands | None = None
    waiting: Waiting | None = None
    listed: tuple[Listed, ...] = field(default=())

    @property
    def who(self) -> str:
        """The sender as a sentence begins with it."""
        if self.sender is not None:
            return self.sender.name
        return self.entry.sender or "The sender"

    @property
    def again(self) -> bool:
        """Whether it is being looked at again right now, whatever its verdict was."""
        waits = self.waiting is not None and self.waiting.next_at is not None
        return waits and self.entry.verdict == VerdictKind.REFUSED


@dataclass(frozen=True, slots=True)
class Words:
    """What a row says: the verdict, why in a sentence, and what to do."""

    verdict: str
    sentence: str
    remedy: str = ""
    actions: tuple[Action, ...] = ()
