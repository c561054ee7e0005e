"""Mailboxes of people at the pretend Google, as the world sees them."""

from sandbox import mail
from sandbox.google.errors import GoogleError
from sandbox.google.mailbox import Mailbox
from sandbox.google.message import GmailMessage
from sandbox.google.state import Google
from sandbox.world import Item, Missing, Rule, World

_FOLDERS = (
    ("DRAFT", "drafts"),
    ("TRASH", "trash"),
    ("SPAM", "junk"),
    ("INBOX", "inbox"),
    ("SENT", "sent"),
)
_PLACES = {"inbox": "INBOX", "junk": "SPAM", "trash": "TRASH"}


class GmailBackend:
    """What a person does in Gmail's own pages."""

    def __init__(self, google: Google, box: Mailbox) -> None:
        self._google = google
        self.box = box

    def receive(self, raw: bytes, place: str = "inbox") -> str:
        return self.box.arrive(raw, place).id

    def send(self, raw: bytes, label: str | None = None) -> str:
        return self.box.dispatch(raw, label=label or "").id

    def items(self) -> list[Item]:
        return [self._item(m) for m in self.box.messages.values()]

    def _item(self, message: GmailMessage) -> Item:
        own = tuple(
            self.box.labels[one] for one in sorted(message.labels) if one in self.box.labels
        )
        folder = next((name for label, name in _FOLDERS if label in message.labels), "archive")
        if folder == "archive" and own:
            folder = own[0]
        return Item(
            message.id,
            folder,
            own,
            message.raw,
            "UNREAD" not in message.labels,
            self.box.date_of(message),
        )

    def folders(self) -> list[str]:
        return ["inbox", "junk", "trash", "archive", *self.box.labels.values()]

    def _message(self, item_id: str) -> GmailMessage:
        try:
            return self.box.message(item_id)
        except GoogleError:
            raise Missing(f"no message {item_id}") from None

    def move(self, item_id: str, to: str) -> str:
        """Moving is a change of labels: the id stays, as it does in Gmail."""
        message = self._message(item_id)
        places = {"INBOX", "SPAM", "TRASH"} & message.labels
        if to.lower() == "archive":
            self.box.relabel(item_id, remove=places)
        else:
            target = _PLACES.get(to.lower()) or self.box.label_id(to, make=True)
            self.box.relabel(item_id, [target], places - {target})
        return item_id

    def label(self, item_id: str, name: str, on: bool = True) -> None:
        self._message(item_id)
        found = self.box.label_id(name, make=True)
        self.box.relabel(item_id, [found] if on else [], [] if on else [found])

    def delete(self, item_id: str) -> None:
        self._message(item_id)
        self.box.delete(item_id)

    def add_rule(self, rule: Rule) -> str:
        self.box.label_id(rule.target_folder, make=True)
        self.box.rules[rule.name] = rule
        return rule.name

    def cut(self, cause: str) -> None:
        if cause in ("password", "consent"):
            self._google.accounts.end(self.box.address)
            if cause == "consent":
                self._google.end_watches(self.box.address)
        elif cause == "tokens":
            self._google.accounts.end_access(self.box.address)
        elif cause == "history":
            self.box.history.expire()
        else:
            raise ValueError("cause is password, consent, tokens or history")

    def mark_read(self, item_id: str) -> None:
        if "UNREAD" in self._message(item_id).labels:
            self.box.relabel(item_id, remove=["UNREAD"])

    def save_draft(self, raw: bytes, draft_id: str = "") -> str:
        """What the compose window does every few seconds; the draft's id."""
        return self.box.save_draft(mail.with_headers(raw, []), draft_id)


def new_backend(world: World, address: str, name: str) -> GmailBackend:
    """An empty Gmail mailbox."""
    google = Google.of(world)
    box = Mailbox(world, address, name)
    box.on_change = google.changed
    google.boxes[address] = box
    return GmailBackend(google, box)
