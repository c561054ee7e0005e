"""What every resource of the API is made with: how bodies are read, and ids."""

from typing import Any

import marshmallow as ma
from flask import Request
from flask_smorest import Blueprint
from webargs.core import is_json
from webargs.flaskparser import FlaskParser

from web.api.problems import Problem

LARGEST_ID = 2**31 - 1


class _Parser(FlaskParser):
    def load_json(self, req: Request, schema: Any) -> Any:
        """The body. Raises Problem 415 where it says it is something else, 400 where it is none."""
        if req.get_data(cache=True) and not is_json(req.mimetype):
            raise Problem(415, "Send JSON, with the header Content-Type: application/json.")
        try:
            return super().load_json(req, schema)
        except RecursionError:
            raise Problem(400, "The body is nested too deeply.") from None


class Resource(Blueprint):  # type: ignore[misc] # ships no types
    """Some paths of the API."""

    ARGUMENTS_PARSER = _Parser()


def row_id(**more: Any) -> ma.fields.Integer:
    """A field for the id of something."""
    return ma.fields.Integer(validate=ma.validate.Range(1, LARGEST_ID), **more)
