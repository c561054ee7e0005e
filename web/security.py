"""Secret keys, sessions, and the headers of every answer."""

import hmac

from flask import Flask, Response
from flask_wtf.csrf import CSRFProtect

from infra.settings import Settings

PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; frame-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
SESSION_HOURS = 24 * 14
LARGEST_FORM = 256 * 1024  # bytes

csrf = CSRFProtect()


def signing_keys(settings: Settings, purpose: str) -> list[str]:
    """A key per secret key, the newest first, of no use for anything but `purpose`."""
    text = f"replylog web {purpose}".encode()
    return [hmac.new(key.encode(), text, "sha256").hexdigest() for key in settings.key_texts]


def protect(app: Flask, settings: Settings) -> None:
    """Sessions that scripts and other sites cannot use, CSRF tokens, and strict headers."""
    keys = signing_keys(settings, "session")
    https = settings.public_url.startswith("https://")
    app.config.update(
        SECRET_KEY=keys[0],
        SECRET_KEY_FALLBACKS=keys[1:],
        SESSION_COOKIE_NAME="__Host-replylog" if https else "replylog",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_SECURE=https,
        PERMANENT_SESSION_LIFETIME=SESSION_HOURS * 3600,
        SESSION_REFRESH_EACH_REQUEST=False,
        MAX_CONTENT_LENGTH=LARGEST_FORM,
        SEND_FILE_MAX_AGE_DEFAULT=365 * 24 * 3600,  # addresses of static files change with them
        WTF_CSRF_TIME_LIMIT=None,  # as long as the session: a page may stay open over night
        WTF_CSRF_SSL_STRICT=False,  # compares Referer with Host, which a proxy may have changed
    )
    csrf.init_app(app)

    def headers(response: Response) -> Response:
        return _headers(response, https)

    app.after_request(headers)


def _headers(response: Response, https: bool) -> Response:
    """Headers of an answer; what a view has set itself (the page of a mail's body) stays."""
    found = response.headers
    found.setdefault("Content-Security-Policy", PAGE_POLICY)
    found.setdefault("Referrer-Policy", "same-origin")
    found["X-Content-Type-Options"] = "nosniff"
    found["X-Frame-Options"] = "SAMEORIGIN" if "'self'" in _ancestors(response) else "DENY"
    found["Cross-Origin-Opener-Policy"] = "same-origin"
    found["Cross-Origin-Resource-Policy"] = "same-origin"
    found["Permissions-Policy"] = "camera=(), microphone=(), geolocation=()"
    found.setdefault("Cache-Control", "no-store")
    if https:
        found["Strict-Transport-Security"] = "max-age=31536000"
    return response


def _ancestors(response: Response) -> str:
    policy = response.headers.get("Content-Security-Policy", "")
    return policy.partition("frame-ancestors")[2].partition(";")[0]
