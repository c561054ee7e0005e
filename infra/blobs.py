"""Kept files: bytes under the account they belong to and the SHA-256 of their content.

The same bytes have one name, so a put may be repeated or done by two workers at once, and what is
there is always whole: a file comes into its place in one step, on disk by a rename, in a bucket
when its upload is complete. Which files are wanted is in the database; `listing` and `delete` are
for sweeping out the rest.

A put always writes, also what is there: so that what a sweep looks at is as old as it seems.
"""

import hashlib
import os
import re
import tempfile
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import IO, TYPE_CHECKING, TypeAlias
from urllib.parse import unquote, urlsplit

import obstore
from obstore.exceptions import BaseError, NotFoundError
from obstore.store import LocalStore, S3Store

from infra.settings import Settings

if TYPE_CHECKING:
    from obstore.store import ClientConfig, RetryConfig, S3Config

Store: TypeAlias = LocalStore | S3Store

PIECE = 256 * 1024  # bytes that `open` gives at once
_RANGE = 4 * 1024 * 1024  # bytes of one request to a bucket
_PART = 5 * 1024 * 1024  # bytes of one part of an upload; two are in memory
_LISTED = 500
_NAME = re.compile(r"(\d+)/[0-9a-f]{2}/([0-9a-f]{64})")
_UNFINISHED = re.compile(r"#\d+$")  # how a file on disk is called while it is written
CLIENT: "ClientConfig" = {"allow_http": True, "connect_timeout": "5s", "timeout": "60s"}
PATIENCE: "RetryConfig" = {"max_retries": 3, "retry_timeout": timedelta(seconds=60)}
_GONE = (NotFoundError, FileNotFoundError)


class Unavailable(Exception):
    """The place where files are kept does not answer, or is full. Names no file."""


class NoSuchBlob(LookupError):
    """Nothing is kept under this digest."""


class TooLarge(Exception):
    """More bytes came than were allowed; nothing was kept."""


@dataclass(frozen=True, slots=True)
class Blob:
    """What was kept: the SHA-256 of its bytes in hex, and how many there are."""

    digest: str
    size: int


@dataclass(frozen=True, slots=True)
class Kept:
    """A file that is there, and since when."""

    account_id: int
    digest: str
    at: datetime


class Blobs:
    """Where files are kept. Opens nothing before it is used, so that a process may fork first."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def put(self, account_id: int, pieces: Iterable[bytes], most: int | None = None) -> Blob:
        """Keep what `pieces` have, at most `most` bytes. Raises TooLarge, Unavailable, and whatever
        reading the pieces raises; then nothing is kept."""
        with self._scratch() as file:
            blob = _written(pieces, file, most)
            name = _name(account_id, blob.digest)
            with _told(missing=Unavailable):
                obstore.put(self._store, name, file, chunk_size=_PART, max_concurrency=2)
                self._settle(name)
        return blob

    def open(self, account_id: int, digest: str) -> Generator[bytes]:
        """The bytes of a file, piece by piece. Raises NoSuchBlob with the first, Unavailable."""
        name = _name(account_id, digest)
        with _told():
            size = int(obstore.head(self._store, name)["size"])
        for start in range(0, size, _RANGE):
            with _told():
                length = min(_RANGE, size - start)
                read = bytes(obstore.get_range(self._store, name, start=start, length=length))
            for at in range(0, len(read), PIECE):
                yield read[at : at + PIECE]

    def has(self, account_id: int, digest: str) -> bool:
        """Whether the file is there."""
        try:
            with _told():
                obstore.head(self._store, _name(account_id, digest))
        except NoSuchBlob:
            return False
        return True

    def delete(self, account_id: int, digest: str) -> None:
        """Keep it no longer; nothing happens where it is not there."""
        try:
            with _told():
                obstore.delete(self._store, _name(account_id, digest))
        except NoSuchBlob:
            return

    def listing(self) -> Iterator[list[Kept]]:
        """All files of all accounts, some at a time. What has another name is passed over."""
        with _told(missing=Unavailable):
            for some in obstore.list(self._store, chunk_size=_LISTED):
                found = [(_NAME.fullmatch(each["path"]), each["last_modified"]) for each in some]
                yield [Kept(int(name[1]), name[2], at) for name, at in found if name]

    def tidy(self, before: datetime) -> None:
        """Delete what a killed process left half written on disk before then. (A bucket does that
        by a lifecycle rule for incomplete uploads.)"""
        with _told(missing=Unavailable):
            if isinstance(self._store, LocalStore):
                for path in self._folder.rglob("*#*"):
                    if _UNFINISHED.search(path.name) and path.stat().st_mtime < before.timestamp():
                        path.unlink(missing_ok=True)

    @cached_property
    def _store(self) -> Store:
        settings = self._settings
        if not settings.files_url.startswith("s3:"):
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            return LocalStore(self._folder)
        where = urlsplit(settings.files_url)
        config: S3Config = {"virtual_hosted_style_request": not settings.files_s3_path_style}
        if settings.files_s3_endpoint:
            config["endpoint"] = settings.files_s3_endpoint
        if settings.files_s3_region:
            config["region"] = settings.files_s3_region
        if settings.files_s3_access_key_id:
            config["access_key_id"] = settings.files_s3_access_key_id
            secret = settings.files_s3_secret_access_key.get_secret_value()
            config["secret_access_key"] = secret
        prefix = where.path.strip("/") or None
        return S3Store(
            where.netloc, prefix=prefix, config=config, client_options=CLIENT, retry_config=PATIENCE
        )

    @property
    def _folder(self) -> Path:
        given = self._settings.files_url
        path = Path(unquote(urlsplit(given).path)) if given else self._settings.var / "files"
        return path.resolve()

    @contextmanager
    def _scratch(self) -> Iterator[IO[bytes]]:
        """A file without a name, which is gone when its process is."""
        with _told():
            folder = self._settings.var.resolve()
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - closed below
        with file:
            yield file

    def _settle(self, name: str) -> None:
        """Have a file on disk written before a row names it: a power cut leaves no empty one."""
        if isinstance(self._store, LocalStore):
            descriptor = os.open(self._folder / name, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)


def _written(pieces: Iterable[bytes], file: IO[bytes], most: int | None) -> Blob:
    digest, size = hashlib.sha256(), 0
    for piece in pieces:
        size += len(piece)
        if most is not None and size > most:
            raise TooLarge
        digest.update(piece)
        with _told():
            file.write(piece)
    with _told():
        file.seek(0)
    return Blob(digest.hexdigest(), size)


def _name(account_id: int, digest: str) -> str:
    name = f"{account_id}/{digest[:2]}/{digest}"
    if not _NAME.fullmatch(name):
        raise NoSuchBlob("no digest")
    return name


@contextmanager
def _told(missing: type[Exception] = NoSuchBlob) -> Iterator[None]:
    """Inside it, what goes wrong is Unavailable, or `missing` where something is not there, without
    the names that the library puts into its errors."""
    try:
        yield
    except _GONE:
        raise missing("not there") from None
    except (BaseError, OSError) as error:
        raise Unavailable(type(error).__name__) from None
