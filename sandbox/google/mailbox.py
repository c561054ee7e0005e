"""A Gmail mailbox: messages, labels, threads, drafts, and the history of all that."""

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime

from sandbox import mail
from sandbox.google.errors import invalid, not_found
from sandbox.google.history import History, Record
from sandbox.google.message import GmailMessage, Json
from sandbox.world import Rule, World

SYSTEM = (
    "CHAT",
    "SENT",
    "INBOX",
    "IMPORTANT",
    "TRASH",
    "DRAFT",
    "SPAM",
    "CATEGORY_FORUMS",
    "CATEGORY_UPDATES",
    "CATEGORY_PERSONAL",
    "CATEGORY_PROMOTIONS",
    "CATEGORY_SOCIAL",
    "STARRED",
    "UNREAD",
)
FIXED = frozenset({"SENT", "DRAFT", "CHAT"})  # cannot be set or taken away


@dataclass
class SendAs:
    """An address a person may send from."""

    address: str
    name: str
    primary: bool = False
    accepted: bool = True


class Mailbox:
    """All state of one person at the pretend Gmail. Call with `World.lock` held."""

    def __init__(self, world: World, address: str, name: str) -> None:
        self.world = world
        self.address = address
        self.name = name
        self.messages: dict[str, GmailMessage] = {}
        self.by_message_id: dict[str, list[str]] = {}
        self.labels: dict[str, str] = {}  # own labels: id -> name
        self.drafts: dict[str, str] = {}  # draft id -> message id
        self.rules: dict[str, Rule] = {}
        self.send_as: list[SendAs] = [SendAs(address, name, primary=True)]
        self.history = History()
        self.on_change: Callable[[Mailbox, set[str]], None] = lambda _box, _labels: None

    # -- ids and history

    def _new_id(self) -> str:
        while True:
            found = f"{0x19_0000_0000_0000 + random.getrandbits(44):x}"
            if found not in self.messages:
                return found

    def _record(self, message: GmailMessage, kind: str, changed: Iterable[str] = ()) -> None:
        message.history_id = self.history.next_id()
        now = self.world.now().timestamp()
        labels = frozenset(message.labels)
        self.history.records.append(
            Record(
                message.history_id,
                kind,
                message.id,
                message.thread_id,
                labels,
                tuple(changed),
                now,
            )
        )

    def message(self, message_id: str) -> GmailMessage:
        """Raises Google's 404, or its 400 for what cannot be an id."""
        found = self.messages.get(message_id)
        if found is None:
            if len(message_id) > 20 or not all(c in "0123456789abcdef" for c in message_id):
                raise invalid("Invalid id value")
            raise not_found()
        return found

    # -- arriving and leaving

    def put(
        self, raw: bytes, labels: Iterable[str], thread: str = "", date: int = 0
    ) -> GmailMessage:
        """A new message with history and notification; `date` in ms, 0 = now."""
        now = self.world.now()
        found = self._new_id()
        message = GmailMessage(
            found,
            thread or self.thread_for(raw) or found,
            raw,
            date or int(now.timestamp() * 1000),
            0,
            set(labels),
            now.timestamp(),
        )
        self.messages[found] = message
        rfc_id = mail.message_id(raw)
        if rfc_id:
            self.by_message_id.setdefault(rfc_id, []).append(found)
        self._record(message, "messageAdded")
        self.on_change(self, set(message.labels))
        return message

    def thread_for(self, raw: bytes, wanted: str = "") -> str:
        """The thread a message joins: it answers one of its messages and keeps the base subject;
        "" = a new one. With `wanted` only that thread counts."""
        subject = mail.base_subject(mail.header(raw, "Subject"))
        for reference in reversed(mail.refers_to(raw)):
            for found in self.by_message_id.get(reference, []):
                message = self.messages[found]
                if wanted and message.thread_id != wanted:
                    continue
                if mail.base_subject(mail.header(message.raw, "Subject")) == subject:
                    return message.thread_id
        return ""

    def arrive(self, raw: bytes, place: str = "inbox") -> GmailMessage:
        """Mail from outside: trace headers, filters, labels."""
        stamp = self.world.now().strftime("%a, %d %b %Y %H:%M:%S +0000")
        received = f"by 2002:a05:1:1:: with SMTP id {random.getrandbits(60):x}; {stamp}"
        full = mail.with_headers(raw, [("Delivered-To", self.address), ("Received", received)])
        labels = {"UNREAD"}
        if place == "junk":
            labels.add("SPAM")
        else:
            labels |= {"INBOX", "CATEGORY_PERSONAL"} | self._filtered(raw)
            if "-INBOX" in labels:
                labels -= {"INBOX", "-INBOX"}
        return self.put(full, labels)

    def _filtered(self, raw: bytes) -> set[str]:
        sender = mail.header(raw, "From").lower()
        labels: set[str] = set()
        for rule in self.rules.values():
            if rule.enabled and rule.from_contains.lower() in sender:
                labels.add(self.label_id(rule.target_folder, make=True))
                if not rule.copy:
                    labels.add("-INBOX")
        return labels

    def dispatch(self, raw: bytes, thread: str = "", label: str = "") -> GmailMessage:
        """Send: own copy keeps Bcc, recipients' copies lose it; mail to oneself is also in INBOX."""
        if thread:
            self.thread(thread)
        to = mail.recipients(raw)
        if not to:
            raise invalid("Recipient address required")
        raw = self._completed(raw)
        labels = {"SENT"} | ({self.label_id(label, make=True)} if label else set())
        own = {one.address for one in self.send_as}
        if own & set(to):
            labels |= {"INBOX", "UNREAD"}
        joined = self.thread_for(raw, wanted=thread)
        message = self.put(raw, labels, joined)
        self.world.deliver(mail.without_bcc(raw), [a for a in to if a not in own])
        return message

    def _completed(self, raw: bytes) -> bytes:
        """Message-ID and Date set when missing; a From that is no alias of ours is rewritten."""
        own = {one.address for one in self.send_as if one.accepted}
        pairs = [(k, v) for k, v in mail.fields(raw)]
        _, gap, body = mail.split(raw)
        if mail.sender(raw) not in own:
            pairs = [(k, v) for k, v in pairs if k.lower() != "from"]
            line = f"From: {self.name} <{self.address}>\r\n"
            pairs.insert(0, ("From", line.encode()))
        have = {k.lower() for k, _ in pairs}
        if "date" not in have:
            stamp = self.world.now().strftime("%a, %d %b %Y %H:%M:%S +0000")
            pairs.append(("Date", f"Date: {stamp}\r\n".encode()))
        if not mail.message_id(raw):
            made = f"<CA+{random.getrandbits(160):040x}@mail.gmail.com>"
            pairs = [(k, v) for k, v in pairs if k.lower() != "message-id"]
            pairs.append(("Message-ID", f"Message-ID: {made}\r\n".encode()))
        return b"".join(v for _, v in pairs) + gap + body

    def thread(self, thread_id: str) -> list[GmailMessage]:
        found = [m for m in self.messages.values() if m.thread_id == thread_id]
        if not found:
            raise not_found()
        return found

    # -- labels

    def label_id(self, name: str, make: bool = False) -> str:
        """The id of a label by its name or id; makes it, or raises Google's 400."""
        for found, own in self.labels.items():
            if name == found or own.lower() == name.lower():
                return found
        if name.upper() in SYSTEM:
            return name.upper()
        if not make:
            raise invalid(f"Invalid label: {name}")
        found = f"Label_{random.getrandbits(60)}"
        self.labels[found] = name
        return found

    def relabel(self, message_id: str, add: Iterable[str] = (), remove: Iterable[str] = ()) -> Json:
        """Change labels (ids) with their records; the minimal message."""
        message = self.message(message_id)
        add, remove = list(add), list(remove)
        for one in (*add, *remove):
            if one in FIXED or (one not in SYSTEM and one not in self.labels):
                raise invalid(f"Invalid label: {one}")
        gone = [one for one in remove if one in message.labels]
        new = [one for one in add if one not in message.labels]
        message.labels -= set(gone)
        if gone:
            self._record(message, "labelRemoved", gone)
        message.labels |= set(new)
        if new:
            self._record(message, "labelAdded", new)
        if gone or new:
            self.on_change(self, message.labels | set(gone))
        return message.basics() | {"labelIds": sorted(message.labels)}

    def delete(self, message_id: str) -> None:
        """For ever."""
        message = self.message(message_id)
        del self.messages[message_id]
        for found in self.by_message_id.values():
            if message_id in found:
                found.remove(message_id)
        self.drafts = {k: v for k, v in self.drafts.items() if v != message_id}
        self._record(message, "messageDeleted")
        self.on_change(self, set(message.labels))

    # -- drafts

    def draft(self, draft_id: str) -> GmailMessage:
        if draft_id not in self.drafts:
            raise not_found()
        return self.messages[self.drafts[draft_id]]

    def save_draft(self, raw: bytes, draft_id: str = "", thread: str = "") -> str:
        """A new draft, or the next autosave of one: its message is replaced by one with a new id."""
        if draft_id:
            old = self.draft(draft_id)
            thread = thread or old.thread_id
            self.delete(old.id)
        if not mail.message_id(raw):
            made = f"<CA+{random.getrandbits(160):040x}@mail.gmail.com>"
            raw = mail.with_headers(raw, [("Message-ID", made)])
        draft_id = draft_id or f"r{random.getrandbits(62)}"
        message = self.put(raw, {"DRAFT"}, thread)
        self.drafts[draft_id] = message.id
        return draft_id

    def send_draft(self, draft_id: str, raw: bytes | None = None) -> GmailMessage:
        """The draft goes, a new message with SENT comes."""
        old = self.draft(draft_id)
        content = raw or old.raw
        if not mail.recipients(content):
            raise invalid("Recipient address required")
        alone = len(self.thread(old.thread_id)) == 1
        self.delete(old.id)
        return self.dispatch(content, "" if alone else old.thread_id)

    # -- looking

    def search(self, matches: Callable[[GmailMessage], bool], hidden: bool) -> list[GmailMessage]:
        """Newest first; spam and trash only when `hidden`."""
        lag = float(str(self.world.switches["gmail.search_lag"]))
        known = self.world.now().timestamp() - lag
        found = [
            m
            for m in self.messages.values()
            if (hidden or not m.labels & {"SPAM", "TRASH"}) and m.added_at <= known and matches(m)
        ]
        return sorted(found, key=lambda m: (m.internal_date, m.history_id), reverse=True)

    def date_of(self, message: GmailMessage) -> datetime:
        return datetime.fromtimestamp(message.internal_date / 1000, self.world.now().tzinfo)
