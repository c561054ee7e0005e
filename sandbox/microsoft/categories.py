"""The master list of categories: what a person may choose from in Outlook. A message may carry a
category that is not in it."""

import uuid

from sandbox.microsoft.graph import Context
from sandbox.microsoft.wire import Answer, GraphError, Json, bad_request, not_found

LONGEST = 255
COLOURS = ("none", *(f"preset{number}" for number in range(25)))


def listing(context: Context) -> Answer:
    """GET outlook/masterCategories."""
    shown = [_show(key, found) for key, found in context.mailbox.categories.items()]
    note = context.note("outlook/masterCategories")
    return Answer(200, {"@odata.context": note, "value": shown})


def create(context: Context) -> Answer:
    """POST outlook/masterCategories."""
    body = context.call.json()
    name, colour = body.get("displayName"), body.get("color", "none")
    if not isinstance(name, str) or not name.strip() or len(name) > LONGEST or "," in name:
        raise bad_request("The category name is not valid.", "ErrorInvalidArgument")
    if str(colour).lower() not in COLOURS:
        raise bad_request(f"Cannot convert '{colour}' to categoryColor.", "RequestBodyRead")
    own = context.mailbox.categories
    if name.lower() in {held.lower() for held, _ in own.values()}:
        raise GraphError(409, "CategoryNameDuplicate", "A category with this name exists.")
    key = str(uuid.uuid4())
    own[key] = (name, str(colour).lower())
    note = context.note("outlook/masterCategories/$entity")
    return Answer(201, {"@odata.context": note, **_show(key, own[key])})


def delete(context: Context, key: str) -> Answer:
    """DELETE outlook/masterCategories/{id}: messages keep it."""
    if context.mailbox.categories.pop(key, None) is None:
        raise not_found()
    return Answer(204)


def _show(key: str, found: tuple[str, str]) -> Json:
    return {"id": key, "displayName": found[0], "color": found[1]}
