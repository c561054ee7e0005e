"""What the control API can do to the pretend Google.

| method and path (below /control) | body | answer |
|---|---|---|
| POST pubsub | endpoint (absent: a pull subscription), audience, service_account, topic, subscription, ack_deadline | the subscription |
| GET pubsub | | waiting and unacknowledged messages per subscription |
| POST rotate-certs | keep_old (true) | kid |
| POST google/client | id, secret, project, redirects | a new or changed OAuth client |
| POST google/service-account | email | a key file as Google's console gives it |
| POST google/authorize | url, address, scopes (absent: all asked for) | location: where the browser goes |
| POST google/token | address, scopes, client | access_token and refresh_token without a browser |
| POST google/narrow | address, scopes | every consent of a person is for these scopes from now on |
| POST google/limit | address, kind, seconds | refuse everything of a user; kinds: `sandbox.google.errors.LIMITS` |
| POST google/silence | address | its watches stay alive and announce nothing; stop and watch heals it |
| POST google/other-watch | address, topic | another installation of the project watches the mailbox |
| GET google/watches | | address, topic and end of all live watches |
| POST google/send-as | address, alias, name, accepted | |
| POST google/draft | address, draft (absent: new), and as mail | the draft's id; once more = an autosave |
| POST google/end-watch | address | its announcements end, and nobody is told |
| POST google/steal-watch | address | another client of the project has them announced elsewhere |
| POST google/risc | endpoint, address, event, audience, issuer, jti, reason, token (a refresh token, named by `by`), forged | sends a security event token; the status |
"""

import base64
import hashlib
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs, urlsplit

import flask
from cryptography.hazmat.primitives import serialization

from sandbox import mail
from sandbox.control import add_route
from sandbox.control_mail import draft_of
from sandbox.google.accounts import LONG, Client, Grant
from sandbox.google.keys import new_key
from sandbox.google.mailbox import Mailbox, SendAs
from sandbox.google.pubsub import Subscription
from sandbox.google.push import PushConfig
from sandbox.google.state import DEFAULT_TOPIC, Google
from sandbox.world import Missing, World

Body = Mapping[str, Any]
OTHER_TOPIC = "projects/sandbox/topics/somebody-elses"
_EVENTS = "https://schemas.openid.net/secevent/"


def _box(world: World, body: Body) -> Mailbox:
    found = Google.of(world).boxes.get(str(body["address"]).lower())
    if found is None:
        raise Missing(f"no Gmail mailbox {body['address']}")
    return found


def _pubsub(world: World, body: Body) -> object:
    google = Google.of(world)
    topic = str(body.get("topic", DEFAULT_TOPIC))
    google.pubsub.put_topic(topic)
    push = None
    if body.get("endpoint"):
        push = PushConfig(
            str(body["endpoint"]),
            str(body.get("service_account", "push@sandbox.iam.gserviceaccount.com")),
            str(body.get("audience", "")),
        )
    name = str(body.get("subscription", "projects/sandbox/subscriptions/gmail"))
    subscription = Subscription(name, topic, push, int(body.get("ack_deadline", 10)))
    google.pubsub.put(subscription)
    return subscription.shown()


def _waiting(world: World, _body: Body) -> object:
    found = Google.of(world).pubsub.subscriptions.values()
    return {s.name: {"waiting": len(s.queue), "unacknowledged": len(s.out)} for s in found}


def _rotate(world: World, body: Body) -> object:
    return {"kid": Google.of(world).keys.rotate(bool(body.get("keep_old", True)))}


def _client(world: World, body: Body) -> object:
    redirects = tuple(str(one) for one in body.get("redirects", ()))
    client = Client(
        str(body["id"]), str(body["secret"]), str(body.get("project", "sandbox")), redirects
    )
    Google.of(world).accounts.clients[client.id] = client
    return {"ok": True}


def _service_account(world: World, body: Body) -> object:
    key = new_key()
    google = Google.of(world)
    email = str(body["email"])
    google.accounts.services[email] = (
        key.private.public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        .decode()
    )
    pem = key.private.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return {
        "type": "service_account",
        "project_id": "sandbox",
        "private_key_id": key.kid,
        "private_key": pem.decode(),
        "client_email": email,
        "client_id": "100000000000000000001",
        "token_uri": f"{world.url}/token",
    }


def _authorize(world: World, body: Body) -> object:
    """What a person does on the consent page."""
    url = str(body["url"])
    path = url.removeprefix(world.url)
    asked = parse_qs(urlsplit(url).query).get("scope", [""])[0].split()
    form = {
        "account": str(body["address"]),
        "decision": str(body.get("decision", "allow")),
        "scope": [str(one) for one in body.get("scopes", asked)],
    }
    answer = flask.current_app.test_client().post(path, data=form)
    return {"status": answer.status_code, "location": answer.headers.get("Location", "")}


def _token(world: World, body: Body) -> object:
    google = Google.of(world)
    client = str(body.get("client", "sandbox-google-client"))
    scopes = {LONG.get(s, s) for s in map(str, body["scopes"])}
    grant = Grant(client, _box(world, body).address, frozenset(scopes))
    return google.accounts.token_answer(grant, google.accounts.new_refresh(grant))


def _narrow(world: World, body: Body) -> object:
    address = _box(world, body).address
    for grant in Google.of(world).accounts.refresh.values():
        if grant.address == address:
            grant.scopes = frozenset(LONG.get(s, s) for s in map(str, body["scopes"]))
    return {"ok": True}


def _limit(world: World, body: Body) -> object:
    quota = Google.of(world).quota
    seconds = float(body.get("seconds", 60))
    quota.block(_box(world, body).address, str(body.get("kind", "retry-after")), seconds)
    return {"ok": True}


def _silence(world: World, body: Body) -> object:
    Google.of(world).silence(_box(world, body).address)
    return {"ok": True}


def _other_watch(world: World, body: Body) -> object:
    google, box = Google.of(world), _box(world, body)
    topic = str(body["topic"])
    google.pubsub.put_topic(topic)
    google.stop(box.address, topic.split("/")[1])
    return google.watch(box, topic.split("/")[1], {"topicName": topic})


def _watches(world: World, _body: Body) -> object:
    google = Google.of(world)
    return [
        {"address": address, "topic": watch.topic, "expires": watch.expires_ms}
        for (address, project), watch in google.watches.items()
        if google.live_watch(address, project)
    ]


def _send_as(world: World, body: Body) -> object:
    alias = SendAs(
        str(body["alias"]).lower(),
        str(body.get("name", "")),
        accepted=bool(body.get("accepted", True)),
    )
    _box(world, body).send_as.append(alias)
    return {"ok": True}


def _draft(world: World, body: Body) -> object:
    raw = mail.compose(draft_of({"from": body["address"], **body}, world), world.now())
    return {"draft": _box(world, body).save_draft(raw, str(body.get("draft", "")))}


def _subject_of(subject: str, body: Body) -> dict[str, str]:
    if "token" not in body:
        issuer = "https://accounts.google.com/"
        return {"subject_type": "iss-sub", "iss": issuer, "sub": subject}
    token, by = str(body["token"]), str(body.get("by", "prefix"))
    twice = hashlib.sha512(hashlib.sha512(token.encode()).digest()).digest()
    return {
        "subject_type": "oauth_token",
        "token_type": "refresh_token",
        "token_identifier_alg": by,
        "token": token[:16] if by == "prefix" else base64.b64encode(twice).decode(),
    }


def _end_watch(world: World, body: Body) -> object:
    Google.of(world).end_watches(_box(world, body).address)
    return {"ok": True}


def _steal_watch(world: World, body: Body) -> object:
    google, address = Google.of(world), _box(world, body).address
    google.pubsub.put_topic(OTHER_TOPIC)
    for whose, project in google.watches:
        if whose == address:
            google.watches[whose, project].topic = OTHER_TOPIC
    return {"ok": True}


def _risc(world: World, body: Body) -> object:
    google = Google.of(world)
    subject = google.accounts.subject(str(body["address"]).lower())
    event = str(body.get("event", "risc/event-type/sessions-revoked"))
    about: dict[str, object] = {"subject": _subject_of(subject, body)}
    if event.endswith("verification"):
        about = {"state": "a test"}
    if body.get("reason"):
        about["reason"] = str(body["reason"])
    claims: dict[str, object] = {
        "iss": str(body.get("issuer", "https://accounts.google.com/")),
        "aud": str(body.get("audience", "sandbox-google-client")),
        "iat": int(world.now().timestamp()),
        "jti": str(body.get("jti", f"{subject}{world.now().timestamp()}")),
        "events": {
            event if event.startswith("https:") else _EVENTS + event: about,
        },
    }
    token = (google.keys.foreign if body.get("forged") else google.keys.signing).sign(claims)
    request = urllib.request.Request(
        str(body["endpoint"]), token.encode(), {"Content-Type": "application/secevent+jwt"}
    )
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return {"status": answer.status, "jti": claims["jti"]}
    except urllib.error.HTTPError as error:
        with error:
            return {"status": error.code, "jti": claims["jti"]}


def add_routes(world: World, routes: flask.Blueprint) -> None:
    """Put these paths below /control."""
    handlers = {
        "POST pubsub": _pubsub,
        "GET pubsub": _waiting,
        "POST rotate-certs": _rotate,
        "POST google/client": _client,
        "POST google/service-account": _service_account,
        "POST google/authorize": _authorize,
        "POST google/token": _token,
        "POST google/narrow": _narrow,
        "POST google/limit": _limit,
        "POST google/silence": _silence,
        "POST google/other-watch": _other_watch,
        "GET google/watches": _watches,
        "POST google/send-as": _send_as,
        "POST google/draft": _draft,
        "POST google/end-watch": _end_watch,
        "POST google/steal-watch": _steal_watch,
        "POST google/risc": _risc,
    }
    for line, handler in handlers.items():
        add_route(routes, world, line, handler, locked=handler is not _risc)
