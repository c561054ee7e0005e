"""Fetches pip itself for a Python that came without it (Debian without python3-venv).

From the package index that pip would use, and only the one file whose hash stands here.
"""

import configparser
import hashlib
import html
import os
import re
import ssl
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

NAME = "pip-26.3-py3-none-any.whl"
SHA256 = "f3b60b20ffaadd4415ed7957212a38ac63fa4c5fa375bd0f4a797777940fad13"
PYPI = "https://pypi.org/simple"


class NoPip(Exception):
    """pip could not be fetched; the text says why."""


def fetch(folder: Path) -> Path:
    """The wheel of pip, checked, in `folder`. Raises NoPip."""
    index = _setting("index-url") or PYPI
    context = ssl.create_default_context(cafile=_setting("cert"))
    try:
        page = _get(f"{index.rstrip('/')}/pip/", context).decode()
        links = (html.unescape(link) for link in re.findall(r'href="([^"]+)"', page))
        link = next((each for each in links if f"/{NAME}" in each.partition("#")[0]), None)
        if link is None:
            raise NoPip(f"{NAME} is not in the package index")
        wheel = _get(urllib.parse.urljoin(f"{index.rstrip('/')}/pip/", link), context)
    except (OSError, ValueError) as error:
        raise NoPip(f"This Python has no pip, and fetching one failed: {error}") from None
    if hashlib.sha256(wheel).hexdigest() != SHA256:
        raise NoPip(f"{NAME} of the package index is not the one we know")
    path = folder / NAME
    path.write_bytes(wheel)
    return path


def _get(url: str, context: ssl.SSLContext) -> bytes:
    with urllib.request.urlopen(url, timeout=60, context=context) as answer:
        content: bytes = answer.read()
        return content


def _setting(name: str) -> str | None:
    """pip's own setting `name`, from the environment or one of its files."""
    if given := os.environ.get(f"PIP_{name.upper().replace('-', '_')}"):
        return given
    home = Path(os.environ.get("HOME", "/nonexistent"))
    files = (os.environ.get("PIP_CONFIG_FILE", ""), home / ".config/pip/pip.conf",
             home / ".pip/pip.conf", "/etc/pip.conf")  # fmt: skip
    for file in filter(None, files):
        parser = configparser.RawConfigParser()
        try:
            parser.read(file)
        except configparser.Error:
            continue
        if found := parser.get("global", name, fallback=None):
            return found
    return None
