"""Handlers for mail folders, inbox rules, and the user."""

from sandbox.microsoft import odata
from sandbox.microsoft.graph import Context
from sandbox.microsoft.store import Folder, Store
from sandbox.microsoft.wire import Answer, Json, bad_request

_NAMES = [
    "id",
    "displayName",
    "parentFolderId",
    "childFolderCount",
    "unreadItemCount",
    "totalItemCount",
    "isHidden",
]
_KNOWN = {name.lower(): name for name in _NAMES}
_KIND = "microsoft.graph.mailFolder"
_USER = [
    "id",
    "displayName",
    "givenName",
    "surname",
    "mail",
    "userPrincipalName",
    "jobTitle",
    "mobilePhone",
    "officeLocation",
    "preferredLanguage",
    "businessPhones",
]


def me(context: Context) -> Answer:
    """GET /me or /users/{id}."""
    given, _, family = context.mailbox.name.partition(" ")
    facts: Json = dict.fromkeys(_USER)
    facts |= {
        "id": context.mailbox.oid,
        "displayName": context.mailbox.name,
        "givenName": given,
        "surname": family,
        "mail": context.mailbox.address,
        "userPrincipalName": context.mailbox.address,
        "businessPhones": [],
        "proxyAddresses": [f"SMTP:{context.mailbox.address}"],
        "otherMails": [],
    }
    known = {name.lower(): name for name in facts}
    names = odata.select(context.call.option("select"), known, "microsoft.graph.user") or _USER
    note = {"@odata.context": f"{context.call.root}/$metadata#users/$entity"}
    return Answer(200, note | {name: facts[name] for name in names})


def show(store: Store, folder: Folder, names: list[str]) -> Json:
    within = store.within(folder.id)
    facts: Json = {
        "id": folder.id,
        "displayName": folder.name,
        "parentFolderId": folder.parent,
        "childFolderCount": len(store.children(folder.id)),
        "unreadItemCount": sum(not message.read for message in within),
        "totalItemCount": len(within),
        "isHidden": False,
    }
    keep = set(names or _NAMES) | {"id"}
    return {name: value for name, value in facts.items() if name in keep}


def _expanded(store: Store, folder: Folder, text: str, names: list[str]) -> Json:
    shown = show(store, folder, names)
    for part in odata.expand(text):
        if part.name.lower() != "childfolders":
            raise odata.parse_error(
                f"Could not find a property named '{part.name}' on type '{_KIND}'."
            )
        inner = odata.select(part.options.get("select", ""), _KNOWN, _KIND)
        most = int(part.options.get("top", "10"))
        deeper = part.options.get("expand", "")
        children = store.children(folder.id)[:most]
        shown["childFolders"] = [_expanded(store, child, deeper, inner) for child in children]
    return shown


def _page(context: Context, parent: Folder, rest: str) -> Answer:
    call, store = context.call, context.mailbox.store
    names = odata.select(call.option("select"), _KNOWN, _KIND)
    top, skip = call.number("top", 10), call.number("skip", 0, 100_000)
    kept = odata.read_filter(call.option("filter"))
    found = [f for f in store.children(parent.id) if kept.test(show(store, f, []))]
    # By name, so that Inbox comes neither first nor on the first page.
    found.sort(key=lambda folder: folder.name.lower())
    shown = [_expanded(store, f, call.option("expand"), names) for f in found[skip : skip + top]]
    body: Json = {"@odata.context": context.note("mailFolders"), "value": shown}
    if call.option("count") == "true":
        body["@odata.count"] = len(found)
    if skip + top < len(found):
        options = "".join(
            f"&${name}={call.option(name)}"
            for name in ("select", "filter", "expand")
            if call.option(name)
        )
        body["@odata.nextLink"] = context.url(f"{rest}?$top={top}&$skip={skip + top}{options}")
    return Answer(200, body)


def listing(context: Context) -> Answer:
    """GET mailFolders: one level."""
    return _page(context, context.mailbox.store.known("msgfolderroot"), "mailFolders")


def children(context: Context, key: str) -> Answer:
    folder = context.mailbox.store.folder(key)
    return _page(context, folder, f"mailFolders/{folder.id}/childFolders")


def get(context: Context, key: str) -> Answer:
    store, call = context.mailbox.store, context.call
    names = odata.select(call.option("select"), _KNOWN, _KIND)
    shown = _expanded(store, store.folder(key), call.option("expand"), names)
    return Answer(200, {"@odata.context": context.note("mailFolders/$entity"), **shown})


def _name(context: Context) -> str:
    name = context.call.json().get("displayName")
    if not isinstance(name, str) or not name.strip():
        raise bad_request("displayName is required.", "ErrorInvalidRequest")
    return name


def create(context: Context, key: str = "msgfolderroot") -> Answer:
    store = context.mailbox.store
    folder = store.make_folder(_name(context), store.folder(key))
    return Answer(201, show(store, folder, []))


def rename(context: Context, key: str) -> Answer:
    store = context.mailbox.store
    folder = store.folder(key)
    folder.name = _name(context)
    return Answer(200, show(store, folder, []))


def move(context: Context, key: str) -> Answer:
    store = context.mailbox.store
    folder = store.folder(key)
    target = store.folder(str(context.call.json().get("destinationId", "")))
    if folder in store.path(target) or folder.well_known:
        raise bad_request("The folder cannot be moved there.", "ErrorMoveCopyFailed")
    folder.parent = target.id
    return Answer(200, show(store, folder, []))


def delete(context: Context, key: str) -> Answer:
    context.mailbox.store.drop_folder(context.mailbox.store.folder(key))
    return Answer(204)


# inbox rules


def _inbox(context: Context, key: str) -> None:
    if context.mailbox.store.folder(key).well_known != "inbox":
        raise bad_request("Rules exist for the Inbox only.", "ErrorInvalidRequest")


def rules(context: Context, key: str) -> Answer:
    _inbox(context, key)
    own = context.mailbox.rules
    value = [own.show(rule) for rule in sorted(own.rules, key=lambda r: r.sequence)]
    note = context.note("mailFolders('inbox')/messageRules")
    return Answer(200, {"@odata.context": note, "value": value})


def rule(context: Context, key: str, rule_id: str) -> Answer:
    _inbox(context, key)
    own = context.mailbox.rules
    return Answer(200, own.show(own.find(rule_id)))


def create_rule(context: Context, key: str) -> Answer:
    _inbox(context, key)
    return Answer(201, context.mailbox.rules.create(context.call))


def change_rule(context: Context, key: str, rule_id: str) -> Answer:
    _inbox(context, key)
    own = context.mailbox.rules
    return Answer(200, own.change(own.find(rule_id), context.call))


def delete_rule(context: Context, key: str, rule_id: str) -> Answer:
    _inbox(context, key)
    own = context.mailbox.rules
    own.rules.remove(own.find(rule_id))
    return Answer(204)
