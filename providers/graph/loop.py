"""One event loop and one HTTP client for Graph in a process, made when first needed.

Importing this opens nothing, so a parent may import it and then fork: a child of a process that
had a loop already starts with none and makes its own.
"""

import asyncio
import atexit
import os
import ssl
import threading
from collections.abc import Coroutine
from concurrent.futures import TimeoutError as Late
from functools import cache
from typing import Any, TypeVar

import httpx
from kiota_http.kiota_client_factory import KiotaClientFactory
from kiota_http.middleware import ParametersNameDecodingHandler, UrlReplaceHandler
from kiota_http.middleware.options import UrlReplaceHandlerOption
from msgraph.graph_request_adapter import options as sdk_options

from providers.client import Retry

T = TypeVar("T")

TIMEOUT = httpx.Timeout(20, connect=5)
PATIENCE = 60.0  # seconds for one call with all its waiting; httpx counts each read apart
LIMITS = httpx.Limits(max_connections=64, max_keepalive_connections=16, keepalive_expiry=60)


@cache
def tls_context() -> ssl.SSLContext:
    """The TLS context of this process: 16 ms of CPU, so a parent makes it before it forks."""
    return httpx.create_ssl_context()


class _Process:
    """What must not survive a fork: the loop, its thread, and the clients that live on it."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.loop: asyncio.AbstractEventLoop | None = None
        self.thread: threading.Thread | None = None
        self.clients: dict[str, httpx.AsyncClient] = {}


_process = _Process()


def run(work: Coroutine[Any, Any, T], patience: float = PATIENCE) -> T:
    """Run `work` on the loop and wait for it, at most `patience` seconds. Raises Retry when late."""
    future = asyncio.run_coroutine_threadsafe(work, _loop())
    try:
        return future.result(patience)
    except Late:
        future.cancel()
        raise Retry(None, "no answer in time") from None


def forget(work: Coroutine[Any, Any, object]) -> None:
    """Run `work` on the loop without waiting for it."""
    asyncio.run_coroutine_threadsafe(work, _loop())


def http_client(origin: str) -> httpx.AsyncClient:
    """The client that is kept for `origin`. It follows no redirect and repeats no request."""
    with _process.lock:
        client = _process.clients.get(origin)
        if client is None:
            client = _process.clients[origin] = _new_client(origin)
        return client


def shutdown() -> None:
    """Close every client and end the loop. Safe to call twice. Mail clients that were made before
    are of no use after it; ones made later start anew."""
    with _process.lock:
        loop, thread = _process.loop, _process.thread
        clients = list(_process.clients.values())
        _process.clients.clear()
        _process.loop = _process.thread = None
    if loop is None or thread is None:
        return
    asyncio.run_coroutine_threadsafe(_close(clients), loop).result(5)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(5)
    loop.close()


async def _close(clients: list[httpx.AsyncClient]) -> None:
    for client in clients:
        await client.aclose()


def _loop() -> asyncio.AbstractEventLoop:
    with _process.lock:
        if _process.loop is None:
            _process.loop = asyncio.new_event_loop()
            _process.thread = threading.Thread(
                target=_process.loop.run_forever, name="graph", daemon=True
            )
            _process.thread.start()
        return _process.loop


def _new_client(origin: str) -> httpx.AsyncClient:
    verify: ssl.SSLContext | bool = tls_context() if origin.startswith("https:") else False
    client = httpx.AsyncClient(verify=verify, timeout=TIMEOUT, limits=LIMITS)
    replace = sdk_options[UrlReplaceHandlerOption.get_key()]
    # The SDK's default chain also has a retry handler, which repeats POSTs too, and a redirect
    # handler, which carries requests to other hosts. Left out, neither can be switched on.
    return KiotaClientFactory.create_with_custom_middleware(
        [ParametersNameDecodingHandler(), UrlReplaceHandler(replace)], client=client
    )


def _forget() -> None:
    global _process
    _process = _Process()


os.register_at_fork(after_in_child=_forget)
atexit.register(shutdown)
