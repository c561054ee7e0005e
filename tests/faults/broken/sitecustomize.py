"""Found by every Python process of an installation under test: while the file that DNS_DOWN names is
there, no host name can be resolved."""

import os
import socket
from pathlib import Path
from typing import Any

_resolve = socket.getaddrinfo
_mark = Path(os.environ.get("DNS_DOWN", "/nowhere"))


def _getaddrinfo(host: Any, *args: Any, **kwargs: Any) -> Any:
    if host == "localhost" and _mark.exists():
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
    return _resolve(host, *args, **kwargs)


socket.getaddrinfo = _getaddrinfo
