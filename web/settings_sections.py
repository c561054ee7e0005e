"""The pages under Settings. Their templates extend `settings/frame.html`, which lists them."""

from dataclasses import dataclass

from flask import render_template


@dataclass(frozen=True, slots=True)
class Section:
    """A page under Settings; `about` says what one finds there."""

    name: str
    endpoint: str
    about: str
    for_admins: bool = False


SECTIONS = (
    Section(
        "Logging", "settings_logging", "What is logged, in which folders, and its attachments."
    ),
    Section(
        "Never Log", "settings_never_log", "Whose mail is never logged: your list, the company's."
    ),
    Section("Connection", "settings_connection", "Label and addresses by which people log mail."),
    Section("Visibility", "visibility", "Who sees your e-mails."),
    Section("Outgoing webhooks", "webhooks", "Tell other programs what happens.", for_admins=True),
    Section("API keys", "api_keys", "Programs that use the REST API.", for_admins=True),
    Section("Operator", "operator", "How the whole installation is doing.", for_admins=True),
    Section("People", "staff", "Roles and teams, and who may sign in.", for_admins=True),
)


def overview() -> str:
    return render_template("settings/overview.html")
