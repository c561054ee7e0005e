"""The switches of the logging rules in plain words."""

from dataclasses import dataclass

from crm.store.previews import Preview


@dataclass(frozen=True, slots=True)
class Words:
    """A switch by what it does: `title` names it, `about` says what changes when it is on."""

    title: str
    about: str


SWITCHES: dict[str, Words] = {
    "log_all_known": Words(
        "All mail with contacts",
        "Every e-mail from or to an existing contact is logged, also when it answers no logged "
        "e-mail, and what your people send to contacts without ticking Log.",
    ),
    "log_own_replies": Words(
        "Your people's own replies",
        "What a colleague writes in a logged thread is logged without ticking Log again.",
    ),
    "any_connected_user": Words(
        "Replies in any colleague's mailbox",
        "A reply is logged also when it reaches only a colleague who did not begin the thread.",
    ),
    "subject_changes_allowed": Words(
        "Replies with a changed subject",
        "A reply in a logged thread is logged also under another subject.",
    ),
    "log_unknown_sender": Words(
        "Replies from unknown addresses",
        "A reply in a logged thread from somebody who is no contact is logged for the thread's "
        "contacts. Nobody becomes a contact by it.",
    ),
    "log_parent": Words(
        "The e-mail that a ticked answer answers",
        "Ticking Log on the answer to a stranger's e-mail logs that e-mail, too.",
    ),
    "log_internal": Words(
        "Mail among colleagues",
        "A reply is logged also when its sender and everybody it went to are of your own domains.",
    ),
    "skip_automatic": Words(
        "Leave out automatic mail",
        "Automatic replies, delivery reports, calendar answers and list mail are not logged. While "
        "this is off they are logged in their thread and marked as what they are.",
    ),
}


def preview(name: str, on: bool, found: Preview) -> str:
    """What turning a switch over would have changed, in one sentence."""
    turned = "off" if on else "on"
    if name == "log_parent" and not on:  # what was answered was refused before its answer came
        return "What it would bring cannot be counted beforehand."
    if found.more:
        would = "would have been logged as well"
        return f"With this {turned}, {_messages(found.more)} of the last 30 days {would}."
    if found.fewer:
        would = "would not have been logged"
        return f"With this {turned}, {_messages(found.fewer)} of the last 30 days {would}."
    return f"With this {turned}, nothing would have been different in the last 30 days."


def _messages(number: int) -> str:
    return f"{number} message{'' if number == 1 else 's'}"
