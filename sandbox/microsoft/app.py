"""The ways into the pretend Microsoft: Entra ID and Graph on the sandbox's one port."""

import uuid

import flask

from sandbox.microsoft import batch, pages
from sandbox.microsoft.entra import Entra
from sandbox.microsoft.graph import Graph
from sandbox.microsoft.routes import ROUTES
from sandbox.microsoft.service import service_of
from sandbox.microsoft.switches import declare
from sandbox.microsoft.wire import Answer, Call
from sandbox.world import World

_METHODS = ["GET", "POST", "PATCH", "DELETE", "PUT"]


def blueprint(world: World) -> flask.Blueprint:
    """All routes of the pretend Microsoft for `world`."""
    declare(world)
    routes = flask.Blueprint("microsoft", __name__)
    service = service_of(world)
    _graph_routes(routes, world, Graph(service, ROUTES))
    _entra_routes(routes, world, Entra(service))
    return routes


def _call(path: str) -> Call:
    request = flask.request
    headers = {name.lower(): value for name, value in request.headers.items()}
    query = request.query_string.decode()
    root = f"{request.host_url}v1.0"
    return Call(request.method, path, query, headers, request.get_data(), root)


def _response(found: Answer) -> flask.Response:
    response = flask.Response(found.data(), found.status)
    if isinstance(found.body, dict):
        kind = "application/json;odata.metadata=minimal;odata.streaming=true;IEEE754Compatible=false;charset=utf-8"
        response.headers["Content-Type"] = kind
    elif found.body is None:
        del response.headers["Content-Type"]
    response.headers["request-id"] = str(uuid.uuid4())
    for name, value in found.headers.items():
        response.headers[name] = value
    return response


def _graph_routes(routes: flask.Blueprint, world: World, graph: Graph) -> None:
    @routes.post("/v1.0/$batch")
    def graph_batch() -> flask.Response:
        return _response(batch.run(world, _call("$batch"), graph.answer))

    @routes.route("/v1.0/<path:path>", methods=_METHODS)
    def graph_call(path: str) -> flask.Response:
        return _response(graph.answer(_call(path)))


def _values() -> dict[str, str]:
    """Query and form together: a posted page carries the query's values in both."""
    return {**flask.request.args.to_dict(), **flask.request.form.to_dict()}


def _root() -> str:
    return flask.request.host_url.rstrip("/")


def _entra_routes(routes: flask.Blueprint, world: World, entra: Entra) -> None:
    @routes.route("/<tenant>/oauth2/v2.0/authorize", methods=["GET", "POST"])
    def authorize(tenant: str) -> flask.typing.ResponseReturnValue:
        with world.lock:
            return entra.authorize(tenant, _values())

    @routes.route("/<tenant>/v2.0/adminconsent", methods=["GET", "POST"])
    def admin_consent(tenant: str) -> flask.typing.ResponseReturnValue:
        with world.lock:
            return entra.admin_consent(tenant, _values())

    @routes.post("/<tenant>/oauth2/v2.0/token")
    def token(tenant: str) -> flask.typing.ResponseReturnValue:
        given = flask.request.authorization
        basic = None
        if given is not None and given.type == "basic":
            basic = (given.username or "", given.password or "")
        with world.lock:
            body, status = entra.token(tenant, flask.request.form.to_dict(), basic, _root())
        headers = {"Cache-Control": "no-store, no-cache", "Pragma": "no-cache"}
        return flask.jsonify(body), status, headers

    @routes.get("/<tenant>/oauth2/v2.0/logout")
    def logout(tenant: str) -> flask.typing.ResponseReturnValue:
        target = flask.request.args.get("post_logout_redirect_uri", "")
        return flask.redirect(target) if tenant and target else pages.signed_out()

    @routes.get("/<tenant>/v2.0/.well-known/openid-configuration")
    def discovery(tenant: str) -> flask.typing.ResponseReturnValue:
        return entra.discovery(tenant, _root())

    @routes.get("/<tenant>/discovery/v2.0/keys")
    def keys(tenant: str) -> flask.typing.ResponseReturnValue:
        with world.lock:
            return entra.service.public_keys() if tenant else {}
