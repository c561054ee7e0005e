"""Reading the body of a request that anybody could have sent."""

from typing import Any

import orjson
from flask import request


class NotUnderstood(Exception):
    """The request is not what its sender claims; the text names the part, never its content."""


def json_object(limit: int) -> dict[str, Any]:
    """The request's body, a JSON object of at most `limit` bytes. Raises NotUnderstood."""
    if request.mimetype != "application/json":
        raise NotUnderstood("content type")
    length = request.content_length
    if length is None or length > limit:  # a body without a length is chunked: no sender of ours
        raise NotUnderstood("size")
    try:
        body = orjson.loads(request.get_data(cache=False))
    except ValueError as error:
        raise NotUnderstood("JSON") from error
    if not isinstance(body, dict):
        raise NotUnderstood("JSON object")
    return body
