"""The vocabulary of replylog: frozen values that rules, adapters and the store exchange.

Nothing here reads a clock, a socket or a file. Times are aware datetimes in UTC. Addresses are
normalised by `crm.addresses` before they get here. A Message-ID has neither angle brackets nor
white space.
"""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class Direction(StrEnum):
    INCOMING = "incoming"
    OUTGOING = "outgoing"
    FORWARDED = "forwarded"


class Kind(StrEnum):
    """What sort of message it is; recorded on every logged e-mail (rule `automatic`)."""

    REPLY = "reply"
    AUTO_REPLY = "auto-reply"
    BOUNCE = "bounce"
    CALENDAR = "calendar"
    LIST = "list"


class Place(StrEnum):
    """Where in its mailbox a message lies, in words every provider can be mapped to."""

    DRAFT = "draft"  # drafts, chats, scheduled mail, Outbox: not sent yet
    JUNK = "junk"
    TRASH = "trash"
    SENT = "sent"
    FOLLOWED = "followed"
    ELSEWHERE = "elsewhere"  # a folder that is not followed


class VerdictKind(StrEnum):
    LOGGED = "logged"
    REFUSED = "refused"
    PENDING = "pending"


class MailboxKind(StrEnum):
    PERSONAL = "personal"
    TEAM = "team"  # of a team inbox
    LOGGING = "logging"  # the account's logging address: what users send there is logged


class Visibility(StrEnum):
    """Who may see a logged e-mail. A contact's other e-mails are not concerned."""

    EVERYONE = "everyone"  # in the account
    TEAM = "team"  # people of the owner's team
    OWNER = "owner"  # the owner alone


class Scope(StrEnum):
    """What an API key is good for."""

    READ = "read"  # contacts, timelines, e-mails, mailboxes
    WRITE = "write"  # contacts
    JOURNAL = "journal"  # why messages were not logged, and the explainer
    SETTINGS = "settings"  # switches and Never Log lists
    RESTRICTED = "restricted"  # also e-mails that only some people may see


USUAL_SCOPES = frozenset(Scope) - {Scope.RESTRICTED}


class FileState(StrEnum):
    """What became of an attachment of a logged e-mail (part D of the rules)."""

    WAITING = "waiting"  # to be read soon
    PENDING = "attachment-pending"  # being scanned by the provider; read again later
    STORED = "stored"
    OFF = "attachments-off"
    TOO_LARGE = "too-large"
    LINK = "link"  # it lies in the sender's cloud; there is nothing to keep
    UNAVAILABLE = "attachment-unavailable"


class Content(StrEnum):
    """What stands behind an attachment, as far as its provider tells."""

    BYTES = "bytes"
    LINK = "link"  # a file in the sender's cloud: there is nothing to keep
    SCANNED = "scanned"  # a placeholder while the provider scans the files of the message


class Original(StrEnum):
    """Whether the message that was forwarded within a message is looked for."""

    NO = ""
    REQUIRED = "required"  # to the forwarding address: without it the message is not logged
    PREFERRED = "preferred"  # FW to a team: the forwarder stands in for a sender who is not found


class MailboxStatus(StrEnum):
    CONNECTED = "connected"
    RECONNECT = "reconnect"
    DISCONNECTED = "disconnected"


@dataclass(frozen=True, slots=True)
class Address:
    """One party of a message. `address` is lower-cased with an ASCII (IDNA) domain, or ''."""

    address: str
    name: str = ""

    @property
    def domain(self) -> str:
        return self.address.rpartition("@")[2]


@dataclass(frozen=True, slots=True)
class Ref:
    """Names one message in one mailbox by the provider's id, opaque to everyone else."""

    id: str
    thread: str = ""  # the provider's own thread id, valid in this mailbox only


@dataclass(frozen=True, slots=True)
class AutomaticSigns:
    """Raw values of the headers that give a message's kind away; '' where a header is missing.

    `return_path` is None where the header is missing: an empty one ('<>') means a bounce.
    """

    auto_submitted: str = ""
    list_id: str = ""
    list_unsubscribe: str = ""
    precedence: str = ""
    content_type: str = ""
    return_path: str | None = None
    auto_response_suppress: str = ""
    auto_reply: str = ""  # X-Autoreply, or what other programs write for it
    failed_recipients: str = ""
    content_class: str = ""
    list_post: str = ""


@dataclass(frozen=True, slots=True)
class Headers:
    """What is read of a message to decide; never its body."""

    ref: Ref
    place: Place
    received_at: datetime  # the provider's own time
    sender: Address
    message_id: str = ""
    in_reply_to: tuple[str, ...] = ()
    references: tuple[str, ...] = ()  # oldest first, as written
    subject: str = ""  # RFC 2047 decoded, unfolded
    sent_at: datetime | None = None  # the Date header, None where missing or unreadable
    to: tuple[Address, ...] = ()
    cc: tuple[Address, ...] = ()
    bcc: tuple[Address, ...] = ()
    labels: frozenset[str] = frozenset()  # user labels / categories, by display name
    folder: str = ""  # provider's folder id where it has folders
    signs: AutomaticSigns = field(default_factory=AutomaticSigns)
    authentication: tuple[str, ...] = ()  # Authentication-Results, topmost first

    @property
    def recipients(self) -> tuple[Address, ...]:
        return (*self.to, *self.cc, *self.bcc)

    @property
    def answers(self) -> tuple[str, ...]:
        """Message-IDs this message refers to: In-Reply-To, then References newest first."""
        return tuple(dict.fromkeys((*self.in_reply_to, *reversed(self.references))))


@dataclass(frozen=True, slots=True)
class Attachment:
    """Metadata of a file in a message; its bytes are asked for by `part`."""

    part: str
    filename: str
    content_type: str
    size: int  # bytes
    inline: bool = False
    content_id: str = ""
    content: Content = Content.BYTES


@dataclass(frozen=True, slots=True)
class Message:
    """A whole message. `text` is the plain text, made from `html` where `html` is not ''; `plain` is
    the text that stood beside the HTML, where the provider gives it. `size` is that of all of it in
    bytes, as the provider says (0: it does not)."""

    headers: Headers
    text: str
    html: str
    attachments: tuple[Attachment, ...] = ()
    size: int = 0
    calendar: bool = False  # its body holds an invitation, or the answer to one
    plain: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Root:
    """The first logged e-mail of a thread, as far as rules need to know it."""

    thread_id: int
    owner_id: int | None  # the user whose mailbox it was sent from
    team: bool  # sent from a team mailbox
    base_subject: str
    contact_recipients: frozenset[str] = frozenset()  # addresses of contacts in To and Cc


@dataclass(frozen=True, slots=True)
class NeverLog:
    """Entries of a Never Log list as written: an address, a domain, '*@domain', '*.domain'."""

    entries: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Switches:
    """Account settings that widen or narrow a rule, by the names of the rules' documentation."""

    skip_automatic: bool = False
    log_internal: bool = False
    log_all_known: bool = False
    any_connected_user: bool = False
    subject_changes_allowed: bool = False
    log_unknown_sender: bool = False
    log_own_replies: bool = False
    log_parent: bool = False


@dataclass(frozen=True, slots=True)
class AccountSettings:
    """An account's settings by their names. Lists hold entries as written."""

    switches: Switches = field(default_factory=Switches)
    bcc_address: str = ""
    forwarding_address: str = ""
    log_label: str = "Log to CRM"
    followed_folders: tuple[str, ...] = ()  # more folders, by name or path ("Customers/Old")
    trusted_authserv_ids: tuple[str, ...] = ()
    team_allow: tuple[str, ...] = ()
    team_deny: tuple[str, ...] = ()
    log_attachments: bool = True  # off: rule `attachments-off`
    attachment_limit: int = 50  # MiB, of a whole message and of one file (rule `too-large`)


class GapState(StrEnum):
    """What becomes of the mail that arrived while a mailbox was not connected."""

    COUNTING = "counting"
    OPEN = "open"  # its owner has not decided
    EMPTY = "empty"  # nothing arrived
    READING = "reading"
    READ = "read"
    LEFT = "left"


@dataclass(frozen=True, slots=True)
class Period:
    """A time during which a mailbox was connected; `until` is None while it still is."""

    since: datetime
    until: datetime | None = None

    def covers(self, when: datetime) -> bool:
        return self.since <= when and (self.until is None or when < self.until)


@dataclass(frozen=True, slots=True)
class Context:
    """Everything a rule may look at beside the message itself.

    `roots` maps each Message-ID of a logged e-mail of the account that the message refers to,
    to the root of its thread. `contacts` maps address to contact id, for the addresses of the
    message that belong to a contact. `answered` has the message's own Message-ID where a ticked
    e-mail of this user answers it directly, with the base subjects of such answers.
    """

    user_id: int | None
    mailbox_kind: MailboxKind
    own_addresses: frozenset[str]
    connected: tuple[Period, ...]
    account_domains: frozenset[str]
    switches: Switches = field(default_factory=Switches)
    bcc_address: str = ""
    log_label: str = "Log to CRM"
    forwarding_address: str = ""
    users: dict[str, int] = field(default_factory=dict)  # active users by each of their addresses
    trusted_authserv_ids: frozenset[str] = frozenset()
    team_allow: NeverLog = field(default_factory=NeverLog)
    team_deny: NeverLog = field(default_factory=NeverLog)
    roots: dict[str, Root] = field(default_factory=dict)
    contacts: dict[str, int] = field(default_factory=dict)
    answered: dict[str, frozenset[str]] = field(default_factory=dict)
    never_log: NeverLog = field(default_factory=NeverLog)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the rules say of one message.

    `rule` is the id of the rule that decided: the first that refused, or for a logged message
    the one that let it in (`reply` for an incoming message that passed all of part A).
    `root` is the thread it joins; None for a logged message means it starts one.
    `contacts` are the addresses on whose contacts' timelines it appears; `create` are those
    among them that become a contact first. `owner_id` is the user whose e-mail it is, where that is
    not the mailbox's. `original` says whether a forwarded message must be found in the body; the
    verdict is then made anew for that (`crm.forwards`).
    """

    logged: bool
    rule: str
    root: Root | None = None
    contacts: tuple[str, ...] = ()
    create: tuple[Address, ...] = ()
    owner_id: int | None = None
    original: Original = Original.NO


WHOLE_MAILBOX = "mailbox"  # the resource of Gmail's one watch


@dataclass(frozen=True, slots=True)
class WatchState:
    """One announced resource: Gmail has one a mailbox, Graph one a followed folder."""

    resource: str  # Graph: folder id; Gmail: WHOLE_MAILBOX
    provider_id: str  # Graph: subscription id; Gmail: ""
    expires_at: datetime
    secret: str = ""  # Graph: the clientState that notifications must carry; "" = unchanged
    made_at: datetime | None = None  # when it was stored last; adapters leave it alone
    silent_since: datetime | None = None  # see `workers.silence`; adapters leave both alone
    silent: bool = False


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder that is followed, and why, for people to read."""

    id: str
    name: str
    reason: str  # "inbox", "sent", "junk", "rule" or "hand" (setting `followed_folders`)
    rule_name: str = ""  # display name of the inbox rule for reason "rule"


class Dropped(StrEnum):
    """Why a folder is not followed any more."""

    RULE_OFF = "rule-off"
    RULE_GONE = "rule-gone"  # deleted, or called otherwise
    RULE_CHANGED = "rule-changed"  # it puts mail elsewhere
    RULE_HIDDEN = "rule-hidden"  # the provider does not show any more what it does
    FOLDER_GONE = "folder-gone"
    FOLDER_JUNK = "folder-junk"
    SETTING = "setting"  # no setting names it any more


@dataclass(frozen=True, slots=True)
class Tokens:
    """What OAuth gave us for one mailbox. Encrypted at rest, never logged."""

    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    expires_at: datetime
    scopes: frozenset[str] = frozenset()
    consent_ends_at: datetime | None = None  # where the consent is for a limited time
