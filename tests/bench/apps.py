"""The WSGI applications that are measured: ours, and a Flask that only answers 204."""

from typing import TYPE_CHECKING

from flask import Flask, Response

if TYPE_CHECKING:
    from wsgiref.types import WSGIApplication


def floor() -> "WSGIApplication":
    app = Flask("floor", static_folder=None)
    app.add_url_rule("/webhooks/gmail", "gmail", lambda: Response(status=204), methods=["POST"])
    return app


def subject() -> "WSGIApplication":
    from infra.settings import load
    from webhooks.app import create_app

    return create_app(load(env_file=None))
