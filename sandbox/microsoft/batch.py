"""$batch: up to 20 requests in one, each with a status of its own."""

import base64
import json
from collections.abc import Callable, Mapping

from sandbox.faults import Fault
from sandbox.microsoft.wire import Answer, Call, GraphError, Json, bad_request
from sandbox.world import World

MOST = 20


def run(world: World, call: Call, answer: Callable[[Call], Answer]) -> Answer:
    """Answer every member, those after the ones they depend on; the envelope is 200."""
    world.count("graph.batch")
    try:
        members = _members(call)
        done: dict[str, Answer] = {}
        for member in _in_order(members):
            done[str(member["id"])] = _member(world, call, member, done, answer)
    except GraphError as error:
        return error.answer()
    # The order of the responses is not that of the requests.
    shown = [_show(key, found) for key, found in reversed(done.items())]
    return Answer(200, {"responses": shown})


def _members(call: Call) -> list[Json]:
    members = call.json().get("requests")
    if not isinstance(members, list) or not members:
        raise bad_request("Invalid batch payload format.")
    if len(members) > MOST:
        text = f"Number of batch request steps exceeds the maximum value of {MOST}."
        raise bad_request(text)
    ids = [str(member.get("id", "")) for member in members]
    if "" in ids or len(set(ids)) != len(ids):
        raise bad_request("Every batch request step must have a unique id.")
    if any(not member.get("method") or not member.get("url") for member in members):
        raise bad_request("Every batch request step must have method and url.")
    return members


def _in_order(members: list[Json]) -> list[Json]:
    left, placed, ordered = list(members), set[str](), list[Json]()
    while left:
        ready = [m for m in left if set(map(str, m.get("dependsOn") or [])) <= placed]
        if not ready:
            raise bad_request("Invalid dependsOn: unknown id or a circle.")
        for member in ready:
            left.remove(member)
            placed.add(str(member["id"]))
            ordered.append(member)
    return ordered


def _member(
    world: World,
    call: Call,
    member: Json,
    done: Mapping[str, Answer],
    answer: Callable[[Call], Answer],
) -> Answer:
    if any(done[str(key)].status >= 400 for key in member.get("dependsOn") or []):
        text = "The request depends on one that failed."
        return GraphError(424, "FailedDependency", text).answer()
    path, _, query = str(member["url"]).lstrip("/").partition("?")
    headers = {k.lower(): str(v) for k, v in (member.get("headers") or {}).items()}
    headers.setdefault("authorization", call.headers.get("authorization", ""))
    method = str(member["method"]).upper()
    target = f"/v1.0/{path}" + (f"?{query}" if query else "")
    fault = world.faults.take(method, target, inner=True)
    if fault is not None:
        return _spoilt(fault)
    data = _data(member.get("body"))
    return answer(Call(method, path, query, headers, data, call.root))


def _spoilt(fault: Fault) -> Answer:
    try:
        body = json.loads(fault.body)
    except ValueError:
        body = {"error": {"code": "UnknownError", "message": fault.body}}
    return Answer(fault.status, body, dict(fault.headers))


def _data(body: object) -> bytes:
    if body is None:
        return b""
    return body.encode() if isinstance(body, str) else json.dumps(body).encode()


def _show(key: str, found: Answer) -> Json:
    headers = dict(found.headers)
    shown: Json = {"id": key, "status": found.status, "headers": headers}
    if isinstance(found.body, bytes):  # MIME and files travel as base64 in a batch
        headers.setdefault("Content-Type", "application/octet-stream")
        shown["body"] = base64.b64encode(found.body).decode()
    elif found.body is not None:
        headers["Content-Type"] = "application/json"
        shown["body"] = found.body
    return shown
