"""The map of the pretend Graph: every way in, what it needs and who answers."""

from sandbox.microsoft import categories, delta, folders, messages, sending, subscriptions
from sandbox.microsoft.graph import (
    BASIC,
    NOTIFY,
    READ,
    RULES,
    RULES_WRITE,
    SEND,
    USER,
    WRITE,
    Route,
)

_FOLDER = "mailfolders/*"
_RULES = "mailfolders/*/messagerules"
_FILES = "messages/*/attachments"
_CATEGORIES = "outlook/mastercategories"

ROUTES = [
    Route("GET", "", USER, "graph.me", folders.me),
    Route("GET", "mailfolders", BASIC, "graph.folders.list", folders.listing),
    Route("POST", "mailfolders", WRITE, "graph.folders.create", folders.create),
    Route("GET", _FOLDER, BASIC, "graph.folders.get", folders.get),
    Route("PATCH", _FOLDER, WRITE, "graph.folders.update", folders.rename),
    Route("DELETE", _FOLDER, WRITE, "graph.folders.delete", folders.delete),
    Route("POST", f"{_FOLDER}/move", WRITE, "graph.folders.move", folders.move),
    Route("GET", f"{_FOLDER}/childfolders", BASIC, "graph.folders.list", folders.children),
    Route("POST", f"{_FOLDER}/childfolders", WRITE, "graph.folders.create", folders.create),
    Route("GET", _RULES, RULES, "graph.rules.list", folders.rules),
    Route("POST", _RULES, RULES_WRITE, "graph.rules.create", folders.create_rule),
    Route("GET", f"{_RULES}/*", RULES, "graph.rules.get", folders.rule),
    Route("PATCH", f"{_RULES}/*", RULES_WRITE, "graph.rules.update", folders.change_rule),
    Route("DELETE", f"{_RULES}/*", RULES_WRITE, "graph.rules.delete", folders.delete_rule),
    Route("GET", f"{_FOLDER}/messages/delta", BASIC, "graph.delta", delta.messages_delta),
    Route("GET", f"{_FOLDER}/messages", BASIC, "graph.messages.list", messages.listing),
    Route("GET", "messages", BASIC, "graph.messages.list", messages.listing),
    Route("POST", "messages", WRITE, "graph.messages.create", sending.create),
    Route("GET", "messages/*", BASIC, "graph.messages.get", messages.get),
    Route("PATCH", "messages/*", WRITE, "graph.messages.update", messages.change),
    Route("DELETE", "messages/*", WRITE, "graph.messages.delete", messages.delete),
    Route("GET", "messages/*/$value", READ, "graph.messages.value", messages.value),
    Route("POST", "messages/*/move", WRITE, "graph.messages.move", messages.move),
    Route("POST", "messages/*/copy", WRITE, "graph.messages.copy", messages.copy),
    Route("POST", "messages/*/permanentdelete", WRITE, "graph.messages.delete", messages.purge),
    Route("GET", _FILES, READ, "graph.attachments.list", messages.attachments),
    Route("POST", _FILES, WRITE, "graph.attachments.create", messages.attach),
    Route("GET", f"{_FILES}/*", READ, "graph.attachments.get", messages.attachment),
    Route("GET", f"{_FILES}/*/$value", READ, "graph.attachments.value", messages.attachment_value),
    Route("POST", "messages/*/createreply", WRITE, "graph.reply.create", sending.create_reply),
    Route(
        "POST", "messages/*/createreplyall", WRITE, "graph.reply.create", sending.create_reply_all
    ),
    Route("POST", "messages/*/reply", SEND, "graph.send", sending.reply),
    Route("POST", "messages/*/replyall", SEND, "graph.send", sending.reply_all),
    Route("POST", "messages/*/forward", SEND, "graph.send", sending.forward),
    Route("POST", "messages/*/send", SEND, "graph.send", sending.send_draft),
    Route("POST", "sendmail", SEND, "graph.send", sending.send_mail),
    Route("GET", _CATEGORIES, RULES, "graph.categories.list", categories.listing),
    Route("POST", _CATEGORIES, RULES_WRITE, "graph.categories.create", categories.create),
    Route("DELETE", f"{_CATEGORIES}/*", RULES_WRITE, "graph.categories.delete", categories.delete),
    Route("GET", "subscriptions", NOTIFY, "graph.subscriptions.list", subscriptions.listing),
    Route(
        "POST", "subscriptions", NOTIFY, "graph.subscriptions.create", subscriptions.create, False
    ),
    Route("GET", "subscriptions/*", NOTIFY, "graph.subscriptions.get", subscriptions.get),
    Route(
        "PATCH",
        "subscriptions/*",
        NOTIFY,
        "graph.subscriptions.update",
        subscriptions.change,
        False,
    ),
    Route("DELETE", "subscriptions/*", NOTIFY, "graph.subscriptions.delete", subscriptions.delete),
    Route(
        "POST",
        "subscriptions/*/reauthorize",
        NOTIFY,
        "graph.subscriptions.reauthorize",
        subscriptions.reauthorize,
    ),
]
