"""What replylog asks of a place where mail lives, and how such a place may fail.

    ProviderError
    ├── Retry(after)      again, not before `after` seconds; kept per mailbox, checked before any call
    │   └── Limited       a limit of the mailbox or of our whole project: no message's fault
    │       └── OutOfBudget   one that would be met: nothing was asked
    ├── CursorExpired     list what came since the last good time
    ├── Reconnect(cause)  stop, tell the person once, keep everything
    ├── Gone              this one message is not there (any more)
    └── Operator(cause)   not the user's fault: stop, tell the admin

An error is named for what the caller does next. Anything else that an adapter raises is a bug and
fails loudly. A network error is a Retry, never a lost consent.
"""

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, TypeAlias

from crm.model import Dropped, Folder, Headers, Message, Place, Ref, WatchState
from crm.spending import Spent

Cursor: TypeAlias = str  # where in a mailbox's changes we are; opaque outside its adapter
CHUNK = 256 * 1024  # bytes of an attachment in one piece


class ProviderError(Exception):
    """Base of everything an adapter raises on purpose. Carries no mail content and no token."""

    have: "Sequence[WatchState] | None" = (
        None  # of `watch`: what there is nevertheless, if it is known
    )


class Retry(ProviderError):
    """The provider cannot answer now. `after`: seconds to wait, None where it did not say."""

    def __init__(self, after: float | None = None, reason: str = "") -> None:
        super().__init__(reason or "try again later")
        self.after = after
        self.reason = reason


class Limited(Retry):
    """A limit is met: of this mailbox, or of `everyone` who uses our project. No message's fault.
    `shape` names the limit in metrics and in the history."""

    def __init__(
        self, shape: str, after: float | None = None, reason: str = "", everyone: bool = False
    ) -> None:
        super().__init__(after, reason)
        self.shape = shape
        self.everyone = everyone


class OutOfBudget(Limited):
    """So much was asked of the mailbox that the next call might meet its limit: it was not made. In
    `after` seconds there is room for it."""

    after: float

    def __init__(self, after: float) -> None:
        super().__init__("budget", after, "saving the rest of the limit")


class CursorExpired(ProviderError):
    """The cursor is too old or not valid (any more); where it has parts, those for `places`."""

    def __init__(self, detail: str = "", places: tuple[str, ...] = ()) -> None:
        super().__init__(detail)
        self.places = places


class Reconnect(ProviderError):
    """Only the mailbox's owner (or their admin) can mend this. `cause` is one of `providers.causes`,
    `claims` what Entra wants the next sign-in to prove (JSON)."""

    def __init__(self, cause: str, detail: str = "", claims: str = "") -> None:
        super().__init__(cause)
        self.cause = cause
        self.detail = detail
        self.claims = claims
        self.tokens_version: int | None = None  # of the stored tokens that were refused


class Gone(ProviderError):
    """The message is not in the mailbox (any more), or not readable yet."""


class Operator(ProviderError):
    """Our own set-up is wrong (client secret, API not enabled, quota of the project)."""

    def __init__(self, cause: str, detail: str = "") -> None:
        super().__init__(cause)
        self.cause = cause
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Item:
    """One message that a listing shows.

    `place` is None where the listing does not tell; `headers` is None where they must be asked
    for with `MailClient.headers`. `watch` is the resource whose watch announces that this message
    came, '' where none does or where it is only a change of it.
    """

    ref: Ref
    place: Place | None = None
    headers: Headers | None = None
    watch: str = ""
    received_at: datetime | None = None  # where `watch` is set: None where the listing has no times


@dataclass(frozen=True, slots=True)
class Page:
    """Some changes, and the cursor to store in the transaction that settles every one of them."""

    items: tuple[Item, ...]
    cursor: Cursor


class MailClient(Protocol):
    """A live connection to one mailbox. Not thread-safe; used by one run at a time."""

    def baseline(self) -> Cursor:
        """The cursor of "from now on". Reads no message."""
        ...

    def changes(self, cursor: Cursor) -> Iterator[Page]:
        """What is new since `cursor`, page by page; at least one page, the last one's cursor is
        where the next call goes on. Pages are small enough that what one costs is within any limit.
        Raises CursorExpired when `cursor` is too old: for some places only, after the pages of the
        others."""
        ...

    def start_over(
        self, cursor: Cursor, when: datetime, places: Sequence[str]
    ) -> tuple[Cursor, tuple[str, ...]]:
        """In place of `cursor`, which expired for `places` (() for all): one that tells of all
        changes from now on, and the places (() for all) of which `since` must list what was
        received since `when`."""
        ...

    def since(self, when: datetime, places: Sequence[str] = ()) -> Iterator[Page]:
        """A bounded listing of what was received since `when`, over all places or those that
        `start_over` named. The cursor is taken before anything is listed; every page carries it
        only on the last one, earlier pages carry ''."""
        ...

    def arrived(self, since: datetime, until: datetime) -> Iterator[int]:
        """How many messages arrived in between, page by page, without reading anything of them: not
        those that were sent or drafted, or lie in junk or trash. Times count to the second."""
        ...

    def between(self, since: datetime, until: datetime) -> Iterator[tuple[Item, ...]]:
        """What was received from `since` until just before `until`, both whole seconds, page by
        page, over all places but junk and trash where the provider leaves those out."""
        ...

    def headers(self, refs: Sequence[Ref]) -> Sequence[Headers | None]:
        """Headers of `refs`, in order; None for a message that is gone."""
        ...

    def message(self, ref: Ref) -> Message:
        """The whole message (attachments as metadata). Raises Gone."""
        ...

    def messages(self, refs: Sequence[Ref]) -> Sequence[Message | Exception]:
        """Whole messages in few round trips, in the order of `refs`; in place of one that cannot be
        read the error that `message` would raise."""
        ...

    def attachment(self, ref: Ref, part: str) -> Generator[bytes]:
        """The bytes of an attachment that `message` listed, in pieces of at most `CHUNK`; never
        whole in memory. Raises Gone, with the first piece, where the message or the part is not
        there or has no bytes. Close it (`contextlib.closing`) to stop early."""
        ...

    def folders(self, more: Sequence[str] = ()) -> Sequence[Folder]:
        """Folders that are followed now, from the provider's own rules and by hand; () where all is
        followed. `more` are the names or paths of the latter, and hold for this client from here on:
        whoever wants a cursor or watches of it tells it first."""
        ...

    def follow(self, folders: Sequence[Folder], cursor: Cursor, since: datetime) -> Cursor:
        """`cursor` made to cover exactly `folders`; one that is new to it starts at `since`."""
        ...

    def dropped(self, folder: Folder) -> Dropped:
        """Why `folder`, followed before, is not in the last answer of `folders`."""
        ...

    def hidden_rules(self) -> Sequence[str]:
        """Names of the rules that the last `folders` could not follow, because the provider does not
        show what they do."""
        ...

    def lost_sight(self, push_was_empty: bool) -> bool:
        """Whether a rule that is not known yet may have put mail where nobody looks: `headers` or
        `message` met some there, or a push came and no change was listed."""
        ...

    def ensure_label(self, name: str) -> None:
        """Make the label (Gmail) or category (Outlook) that people tick Log with, unless there is
        one by this name in any letter case. Raises Reconnect(`scope-missing`) where the consent
        does not reach that far, Operator(`label-name`) for a name that the provider refuses."""
        ...

    def watch(self, have: Sequence[WatchState]) -> Sequence[WatchState]:
        """Ask for announcements, or renew them. `have` is what is stored; the answer replaces it. An
        error that leaves some of them says so (`ProviderError.have`)."""
        ...

    def unwatch(self, have: Sequence[WatchState]) -> None:
        """End all announcements. Those that are gone already are no error."""
        ...

    def carefully(self) -> None:
        """From here on listings carry no headers, so that nothing is read of a message before it is
        asked for: reading one ended a process."""
        ...

    def sparingly(self) -> None:
        """From here on some of the mailbox's limit is left over, where that is counted: what is read
        now can wait, and new mail cannot."""
        ...

    def spent(self) -> Spent | None:
        """What was asked of the mailbox lately, where that is counted: the next client is to know."""
        ...

    def close(self) -> None:
        """Close sockets. Safe to call twice."""
        ...
