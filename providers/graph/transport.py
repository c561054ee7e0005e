"""Requests to Graph for one mailbox: built by the SDK, answered as bytes, read by orjson.

The SDK's models are never made: they cost 4 to 10 ms of CPU a message, orjson 0.07 ms.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Coroutine, Generator, Mapping, Sequence
from typing import Any, TypeAlias, cast

import httpx
import orjson
from kiota_abstractions.authentication import (
    AccessTokenProvider,
    AllowedHostsValidator,
    BaseBearerTokenAuthenticationProvider,
)
from kiota_abstractions.method import Method
from kiota_abstractions.native_response_handler import NativeResponseHandler
from kiota_abstractions.request_information import RequestInformation
from kiota_http.middleware.options import ResponseHandlerOption
from msgraph.graph_request_adapter import GraphRequestAdapter
from msgraph.graph_service_client import GraphServiceClient

from providers.client import CHUNK, Retry
from providers.graph import loop
from providers.graph.errors import About, UnexpectedAnswer, claims_asked, failure
from providers.tokens import TokenSource

Json: TypeAlias = dict[str, Any]
Answer: TypeAlias = Json | Exception

AT_ONCE = 4  # Graph allows an app four requests at a time in one mailbox
UNAUTHORIZED = 401
BATCH = 20  # requests in one $batch, of which Graph itself runs four at a time
NEXT = "@odata.nextLink"
IMMUTABLE = 'IdType="ImmutableId"'
ME = ("/users/me-token-to-replace", "/me")

_RAW = ResponseHandlerOption(NativeResponseHandler())


class _Bearer(AccessTokenProvider):
    """Gives `token` to requests that go where Graph is configured to be, and to no other."""

    def __init__(self, base_url: str) -> None:
        self.token = ""
        self._origin = origin(base_url)
        self._hosts = AllowedHostsValidator([self._origin[1]])

    async def get_authorization_token(
        self,
        uri: str,
        additional_authentication_context: dict[str, Any] | None = None,  # noqa: ARG002 - the SDK's
    ) -> str:
        if origin(uri) != self._origin:
            raise UnexpectedAnswer("a request for another host than Graph's gets no token")
        return self.token

    def get_allowed_hosts_validator(self) -> AllowedHostsValidator:
        return self._hosts


class Transport:
    """Sends requests of one mailbox. Its methods block; the work is done on the process's loop.
    `pay` is told, before they are sent, how many there are; it may refuse."""

    def __init__(
        self, source: TokenSource, base_url: str, pay: Callable[[int], None] = lambda _: None
    ) -> None:
        self._pay = pay
        self.base_url = base_url
        self._source = source
        self._bearer = _Bearer(base_url)
        scheme, host, port = origin(base_url)
        self._client = loop.http_client(f"{scheme}://{host}:{port}")
        self._adapter = GraphRequestAdapter(
            BaseBearerTokenAuthenticationProvider(self._bearer), client=self._client
        )
        self._adapter.base_url = base_url
        self.sdk = GraphServiceClient(request_adapter=self._adapter)

    def ask(self, info: RequestInformation, about: About) -> Json:
        """The answer to one request; {} where it is empty. Raises what `failure` says."""
        answer = self.ask_all([info], about)[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def ask_all(self, infos: Sequence[RequestInformation], about: About) -> list[Answer]:
        """Answers in the order of `infos`, four requests at a time; a failed one is its error."""
        self._pay(len(infos))
        self._bearer.token = self._source.token()
        answers = loop.run(self._send_all(infos))
        refused = [n for n, answer in enumerate(answers) if _status(answer) == UNAUTHORIZED]
        if refused:
            self._renew_token(answers[refused[0]].headers)
            for n in refused:
                infos[n].headers.remove("Authorization")
            again = loop.run(self._send_all([infos[n] for n in refused]))
            for n, answer in zip(refused, again, strict=True):
                answers[n] = answer
        return [_read(answer, about) for answer in answers]

    def stream(self, info: RequestInformation, about: About) -> Generator[bytes]:
        """The body of the answer to one request, as it comes. Raises what `failure` says."""
        info.headers.try_add("Accept-Encoding", "identity")  # packed, it could unpack to any size
        answer = self._opened(info)
        try:
            if not answer.is_success:
                content = loop.run(answer.aread())
                raise failure(answer.status_code, answer.headers, content, about)
            pieces = answer.aiter_bytes(CHUNK)
            while piece := loop.run(_next(pieces)):
                yield piece
        except httpx.RequestError as error:
            raise Retry(None, type(error).__name__) from None
        finally:
            loop.forget(answer.aclose())

    def _opened(self, info: RequestInformation) -> httpx.Response:
        """The answer to one request, of which the head was read; a refused token is renewed once."""
        self._pay(1)
        self._bearer.token = self._source.token()
        try:
            answer = loop.run(self._open(info))
            if answer.status_code == UNAUTHORIZED:
                loop.forget(answer.aclose())
                self._renew_token(answer.headers)
                info.headers.remove("Authorization")
                answer = loop.run(self._open(info))
        except httpx.RequestError as error:
            raise Retry(None, type(error).__name__) from None
        return answer

    def _renew_token(self, headers: Mapping[str, str]) -> None:
        """A new token; one that proves what the refusal of the last asked for in its `headers`, where
        it did."""
        claims = claims_asked(headers)
        more = {"claims": claims} if claims else {}
        self._bearer.token = self._source.token(fresh=True, **more)

    def batch(self, infos: Sequence[RequestInformation], about: About) -> list[Answer]:
        """As `ask_all`, for GETs, twenty in a round trip. Raises where a whole batch fails."""
        answers: list[Answer] = []
        for start in range(0, len(infos), BATCH):
            answers += self._batch(infos[start : start + BATCH], about)
        return answers

    def _batch(self, infos: Sequence[RequestInformation], about: About) -> list[Answer]:
        requests = [
            {"id": str(n), "method": "GET", "url": relative(info), "headers": _headers(info)}
            for n, info in enumerate(infos)
        ]
        found = self._members(requests)
        refused = next((one for one in found.values() if one.get("status") == UNAUTHORIZED), None)
        if refused is not None:  # the envelope may be let in with a token that its members are not
            self._renew_token(_headers_of(refused))
            found = self._members(requests)
        return [_member(found.get(str(n)), about) for n in range(len(infos))]

    def _members(self, requests: Sequence[Json]) -> dict[str, Json]:
        self._pay(len(requests))  # each of them counts
        body = self.ask(write(Method.POST, "/$batch", {"requests": requests}), About.MAILBOX)
        return {str(one.get("id")): one for one in body.get("responses", ())}

    def all_values(self, first: RequestInformation, about: About) -> list[Json]:
        """The entries of every page of a listing."""
        values: list[Json] = []
        info: RequestInformation | None = first
        while info is not None:
            answer = self.ask(info, about)
            values += entries(answer)
            info = self.linked(answer[NEXT]) if answer.get(NEXT) else None
        return values

    def linked(self, link: str) -> RequestInformation:
        """The request for a link out of an answer, which must lead to where Graph is."""
        return follow_link(self.checked(link))

    def checked(self, link: str) -> str:
        if not self.is_ours(link):
            raise UnexpectedAnswer("Graph gave a link to another host")
        return link

    def is_ours(self, link: str) -> bool:
        return origin(link) == origin(self.base_url)

    async def _send_all(self, infos: Sequence[RequestInformation]) -> list[Any]:
        gate = asyncio.Semaphore(AT_ONCE)
        return await asyncio.gather(
            *(_gated(gate, self._send(info)) for info in infos), return_exceptions=True
        )

    async def _open(self, info: RequestInformation) -> httpx.Response:
        self._adapter.set_base_url_for_request_information(info)
        request = await self._adapter.convert_to_native_async(info)
        return await self._client.send(request, stream=True)

    async def _send(self, info: RequestInformation) -> httpx.Response:
        info.add_request_options([_RAW])
        answer = await self._adapter.send_primitive_async(info, "bytes", None)
        return cast(httpx.Response, answer)


def entries(answer: Json) -> list[Json]:
    """What a page of a listing holds. Graph always sends the list, if an empty one: what is taken for
    an empty page would be passed over for good."""
    found = answer.get("value")
    if not isinstance(found, list):
        raise Retry(None, "an answer that is no listing")
    return found


def origin(url: str) -> tuple[str, str, int]:
    """Scheme, host and port of `url` as the HTTP client will read it; nothing where it cannot."""
    try:
        parts = httpx.URL(url)
    except httpx.InvalidURL:
        return "", "", 0
    return parts.scheme, parts.host, parts.port or (443 if parts.scheme == "https" else 80)


def relative(info: RequestInformation) -> str:
    """The URL of `info` without host and version, as `$batch` wants it and links are built from."""
    # The SDK's builders share their parameters, and sending a request writes the base URL there.
    base = str(info.path_parameters.get("baseurl", ""))
    path, mark, query = info.url.removeprefix(base).replace(*ME, 1).partition("?")
    # Ids end in "=", which a path may hold as it is: one decoding fewer that can go wrong.
    return path.replace("%3D", "=") + mark + query


def follow_link(url: str) -> RequestInformation:
    """A GET of `url`. It gets no token where that is another host than Graph's."""
    info = RequestInformation(Method.GET)
    info.url = url
    return info


def at(base_url: str, path: str) -> RequestInformation:
    """A GET of `path` below the API's root, at `base_url`."""
    info = follow_link(base_url + path)
    info.path_parameters["baseurl"] = base_url
    return info


def write(method: Method, path: str, body: Json) -> RequestInformation:
    """A request with a JSON body to `path` below the API's root."""
    info = RequestInformation(method, "{+baseurl}" + path, {})
    info.set_stream_content(orjson.dumps(body), "application/json")
    return info


def prefer(info: RequestInformation, *values: str) -> RequestInformation:
    """`info` with one Prefer header of immutable ids and `values`: Graph reads only one."""
    info.headers.try_add("Prefer", ", ".join((IMMUTABLE, *values)))
    return info


async def _gated(
    gate: asyncio.Semaphore, sending: Coroutine[Any, Any, httpx.Response]
) -> httpx.Response:
    async with gate:
        return await sending


async def _next(pieces: AsyncIterator[bytes]) -> bytes:
    return await anext(pieces, b"")


def _headers(info: RequestInformation) -> dict[str, str]:
    headers = info.request_headers or {}
    return {name.title(): value for name, value in headers.items() if name.lower() == "prefer"}


def _status(answer: object) -> int:
    return answer.status_code if isinstance(answer, httpx.Response) else 0


def _read(answer: object, about: About) -> Answer:
    if isinstance(answer, httpx.RequestError):
        return Retry(None, type(answer).__name__)
    if isinstance(answer, Exception):
        return answer
    if not isinstance(answer, httpx.Response):
        raise UnexpectedAnswer(f"no answer of Graph about a {about}")
    if not answer.is_success:
        return failure(answer.status_code, answer.headers, answer.content, about)
    if not answer.content:
        return {}
    try:
        found = _json(answer.content)
    except ValueError:
        found = None
    return found if isinstance(found, dict) else Retry(None, "an answer that cannot be read")


def _json(content: bytes) -> object:
    """`content` as JSON. Half a surrogate pair, which a cut subject may end in, is kept: orjson
    refuses the whole page for it."""
    try:
        return cast(object, orjson.loads(content))
    except orjson.JSONDecodeError:
        return cast(object, json.loads(content))


def _member(found: Json | None, about: About) -> Answer:
    if found is None:
        return Retry(None, "a batch answered in part")
    body = found.get("body") or {}
    status = int(found.get("status", 0))
    if 200 <= status < 300:
        return cast(Json, body)
    return failure(status, _headers_of(found), body, about)


def _headers_of(member: Json) -> dict[str, str]:
    return {name.lower(): value for name, value in (member.get("headers") or {}).items()}
