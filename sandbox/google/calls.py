"""The Gmail methods: who may call them, what they cost, what they answer."""

from collections.abc import Callable
from dataclasses import dataclass, field

from sandbox.google.accounts import Access
from sandbox.google.errors import GoogleError, invalid
from sandbox.google.keys import un64
from sandbox.google.mailbox import Mailbox
from sandbox.google.message import Json, Shape
from sandbox.google.state import Google

_ROOT = "https://www.googleapis.com/auth/gmail."
FULL = "https://mail.google.com/"
METADATA = f"{_ROOT}metadata"
READ = frozenset({FULL, f"{_ROOT}modify", f"{_ROOT}readonly"})
ANY = READ | {METADATA}
MODIFY = frozenset({FULL, f"{_ROOT}modify"})
COMPOSE = MODIFY | {f"{_ROOT}compose"}
SEND = COMPOSE | {f"{_ROOT}send"}
INSERT = MODIFY | {f"{_ROOT}insert"}
LABELS = MODIFY | {f"{_ROOT}labels"}


@dataclass
class Call:
    """One request to Gmail."""

    google: Google
    box: Mailbox
    access: Access
    args: dict[str, list[str]]
    body: Json
    path: dict[str, str]
    upload: bytes | None = None

    def arg(self, name: str, default: str = "") -> str:
        return self.args.get(name, [default])[0]

    @property
    def limit(self) -> int:
        """maxResults: default 100, at most 500."""
        text = self.arg("maxResults", "100")
        if not text.lstrip("-").isdigit():
            raise invalid(f"Invalid value at 'max_results' (TYPE_UINT32), \"{text}\"")
        return max(1, min(int(text) or 100, 500))

    @property
    def only_metadata(self) -> bool:
        """A token that carries gmail.metadata is treated as metadata-only, whatever else it has."""
        return METADATA in self.access.scopes

    def raw(self) -> bytes:
        """The message given in `raw` or uploaded."""
        if self.upload is not None:
            return self.upload
        message = self.body.get("message", self.body)
        text = message.get("raw") if isinstance(message, dict) else None
        if not isinstance(text, str) or not text:
            raise invalid(
                "'raw' RFC822 payload message string or uploading message via /upload/* URL required"
            )
        try:
            return un64(text)
        except ValueError:
            raise invalid(
                "Invalid value at 'message.raw' (TYPE_BYTES), Base64 decoding failed"
            ) from None

    def given(self, name: str) -> str:
        """A field of the message in the body."""
        message = self.body.get("message", self.body)
        found = message.get(name) if isinstance(message, dict) else None
        return str(found or "")

    def names(self, name: str) -> list[str]:
        found = self.body.get(name) or []
        if not isinstance(found, list):
            raise invalid(f"Invalid value at '{name}'")
        return [str(one) for one in found]

    def shape(self) -> Shape:
        switches = self.google.world.switches
        return Shape(
            int(str(switches["gmail.inline_limit"])),
            bool(switches["gmail.decoded_headers"]),
            bool(switches["gmail.changing_attachment_ids"]),
        )


Handler = Callable[[Call], Json | None]


@dataclass(frozen=True)
class Method:
    """`verb` and `path` (with {names}), units, scopes of which one is enough, known parameters."""

    name: str
    verb: str
    path: str
    units: int
    scopes: frozenset[str]
    handler: Handler
    params: frozenset[str] = field(default_factory=frozenset)
    fields: frozenset[str] | None = None  # of the body; None = not checked


COMMON = frozenset(
    [
        "fields",
        "prettyPrint",
        "alt",
        "key",
        "access_token",
        "oauth_token",
        "quotaUser",
        "userIp",
        "callback",
        "uploadType",
        "upload_protocol",
        "upload_id",
        "$.xgafv",
    ]
)


def check_names(method: Method, call: Call) -> None:
    """Refuse parameters and body fields that the API does not know."""
    for name in call.args:
        if name not in COMMON and name not in method.params:
            raise invalid(
                f'Invalid JSON payload received. Unknown name "{name}": Cannot bind query '
                "parameter. Field could not be found in request message.",
                "badRequest",
            )
    for name in call.body if method.fields is not None else ():
        if method.fields is not None and name not in method.fields:
            raise invalid(
                f'Invalid JSON payload received. Unknown name "{name}": Cannot find field.',
                "badRequest",
            )


def scope_denied(text: str) -> GoogleError:
    return GoogleError(403, text, "forbidden")
