"""Parts of a page that follow themselves up: asked for every two seconds with the version that is
shown, answered with 204 while nothing has changed."""

import hashlib
from typing import Any

from flask import Response, make_response, render_template, request


def version(*values: object) -> str:
    """A short name for what a part shows; another one when any of `values` differs."""
    return hashlib.sha256(repr(values).encode()).hexdigest()[:16]


def part(template: str, shown: str, **context: Any) -> Response:
    """The part in version `shown`, or 204 when the asking page has that version already."""
    if request.args.get("v") == shown:
        return Response(status=204)
    return make_response(render_template(template, version=shown, **context))
