"""Kept files: the same promises on disk and in a bucket."""

import hashlib
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from infra.blobs import PIECE, Blob, Blobs, NoSuchBlob, TooLarge, Unavailable
from infra.settings import Settings
from tests import s3_server

BUCKET_SETTINGS = {
    "files_s3_access_key_id": s3_server.KEY_ID,
    "files_s3_secret_access_key": s3_server.SECRET,
    "files_s3_region": s3_server.REGION,
    "files_s3_path_style": True,
}
ROOT = Path(__file__).resolve().parents[2]
LARGE = os.urandom(1 << 20) * 18  # more than two parts of an upload


@dataclass
class Place:
    blobs: Blobs
    folder: Path
    s3: s3_server.S3 | None

    def names(self) -> list[str]:
        """All that is kept, by the names that the place has for it."""
        if self.s3:
            return sorted(self.s3.objects)
        files = (path for path in self.folder.rglob("*") if path.is_file())
        return sorted(str(path.relative_to(self.folder)) for path in files)


@pytest.fixture(params=["on disk", "in a bucket"])
def place(request, tmp_path: Path) -> Iterator[Place]:
    if request.param == "on disk":
        yield Place(Blobs(Settings(var=tmp_path)), tmp_path / "files", None)
        return
    with s3_server.serving() as s3:
        settings = Settings(
            var=tmp_path, files_url=f"s3://{s3_server.BUCKET}/some/prefix",
            files_s3_endpoint=s3.url, **BUCKET_SETTINGS,
        )  # fmt: skip
        yield Place(Blobs(settings), tmp_path, s3)
        assert s3.unsigned == 0


def pieces(content: bytes, size: int = 100_000) -> Iterator[bytes]:
    for start in range(0, len(content), size):
        yield content[start : start + size]


def read(blobs: Blobs, blob: Blob, account_id: int = 1) -> bytes:
    return b"".join(blobs.open(account_id, blob.digest))


@pytest.mark.parametrize("content", [b"", b"x", b"hello" * 1000, LARGE], ids=len)
def test_what_is_put_can_be_read_under_its_digest(place, content):
    blob = place.blobs.put(1, pieces(content))
    assert blob == Blob(hashlib.sha256(content).hexdigest(), len(content))
    assert read(place.blobs, blob) == content


def test_a_file_comes_back_in_bounded_pieces(place):
    blob = place.blobs.put(1, pieces(LARGE))
    assert {len(piece) for piece in place.blobs.open(1, blob.digest)} == {PIECE}


def test_the_name_is_the_account_and_the_digest(place):
    digest = hashlib.sha256(b"x").hexdigest()
    place.blobs.put(7, [b"x"])
    assert [name.removeprefix("some/prefix/") for name in place.names()] == [
        f"7/{digest[:2]}/{digest}"
    ]


def test_another_account_does_not_have_it(place):
    blob = place.blobs.put(1, [b"x"])
    assert not place.blobs.has(2, blob.digest)
    with pytest.raises(NoSuchBlob):
        read(place.blobs, blob, account_id=2)


@pytest.mark.parametrize("digest", ["", "0" * 64, "../" * 21 + "x", "A" * 64])
def test_what_is_not_there_is_told_apart(place, digest):
    place.blobs.put(1, [b"x"])
    with pytest.raises(NoSuchBlob):
        next(place.blobs.open(1, digest))


def test_putting_twice_keeps_one(place):
    assert place.blobs.put(1, [b"a", b"b"]) == place.blobs.put(1, [b"ab"])
    assert len(place.names()) == 1


def test_many_workers_may_put_the_same_at_once(place):
    found: list[Blob] = []
    threads = [
        threading.Thread(target=lambda: found.append(place.blobs.put(1, pieces(LARGE[: 9 << 20]))))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(found)) == 1
    assert len(found) == 4
    assert read(place.blobs, found[0]) == LARGE[: 9 << 20]
    assert len(place.names()) == 1


def test_a_source_that_fails_leaves_nothing(place):
    def broken() -> Iterator[bytes]:
        yield LARGE
        raise ValueError("the provider hung up")

    with pytest.raises(ValueError, match="hung up"):
        place.blobs.put(1, broken())
    assert place.names() == []


def test_more_than_allowed_is_refused_and_leaves_nothing(place):
    assert place.blobs.put(1, pieces(b"x" * 300_000), most=300_000).size == 300_000
    with pytest.raises(TooLarge):
        place.blobs.put(1, pieces(b"y" * 300_001), most=300_000)
    assert len(place.names()) == 1


def test_deleting_is_for_good_and_may_be_repeated(place):
    blob, other = place.blobs.put(1, [b"x"]), place.blobs.put(1, [b"y"])
    place.blobs.delete(1, blob.digest)
    place.blobs.delete(1, blob.digest)
    assert not place.blobs.has(1, blob.digest)
    assert place.blobs.has(1, other.digest)


def test_the_listing_has_every_file_with_its_account_and_age(place):
    put = {(n % 3, place.blobs.put(n % 3, [b"%d" % n]).digest) for n in range(10)}
    if place.s3:
        place.s3.put("some/prefix/readme.txt", b"not ours")
        place.s3.put("some/other/1/aa/" + "a" * 64, b"not ours")
    else:
        (place.folder / "readme.txt").write_text("not ours")
    listed = [each for some in place.blobs.listing() for each in some]
    assert {(each.account_id, each.digest) for each in listed} == put
    assert len(listed) == 10
    assert all(abs(datetime.now(UTC) - each.at) < timedelta(hours=1) for each in listed)


def test_a_put_of_what_is_there_makes_it_young_again(place):
    blob = place.blobs.put(1, [b"x"])
    if place.s3:
        (stored,) = place.s3.objects.values()
        stored.at -= timedelta(days=3)
    else:
        (path,) = (path for path in place.folder.rglob("*") if path.is_file())
        os.utime(path, (0, 0))
    place.blobs.put(1, [b"x"])
    (kept,) = (each for some in place.blobs.listing() for each in some)
    assert kept.digest == blob.digest
    assert datetime.now(UTC) - kept.at < timedelta(hours=1)


# -- on disk


def test_a_worker_killed_while_it_writes_leaves_no_half_file(tmp_path: Path):
    code = (
        "import os, sys; from infra.blobs import Blobs; from infra.settings import Settings\n"
        "def endless():\n"
        "    yield b'x' * 9_000_000\n"
        "    print('writing', flush=True); sys.stdin.read()\n"
        f"Blobs(Settings(var={str(tmp_path)!r})).put(1, endless())\n"
    )
    pipes = {"stdout": subprocess.PIPE, "stdin": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, **pipes) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"writing\n"
        child.kill()
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_what_a_killed_worker_left_unfinished_is_tidied_up_when_it_is_old(tmp_path: Path):
    blobs = Blobs(Settings(var=tmp_path))
    blob = blobs.put(1, [b"x"])
    half = tmp_path / "files" / "1" / blob.digest[:2] / f"{blob.digest}#1"
    half.write_bytes(b"half")
    now = datetime.now(UTC)
    blobs.tidy(now - timedelta(days=1))
    assert half.exists()
    assert len([each for some in blobs.listing() for each in some]) == 1
    blobs.tidy(now + timedelta(seconds=5))
    assert not half.exists()
    assert read(blobs, blob) == b"x"


def test_files_are_only_for_our_eyes(tmp_path: Path):
    Blobs(Settings(var=tmp_path)).put(1, [b"x"])
    assert (tmp_path / "files").stat().st_mode & 0o077 == 0


def test_a_folder_of_one_s_own_is_used(tmp_path: Path):
    place = tmp_path / "crm files"
    Blobs(Settings(var=tmp_path / "var", files_url=f"file://{place}")).put(1, [b"x"])
    assert any(path.is_file() for path in place.rglob("*"))


def test_a_disk_that_cannot_be_written_is_unavailable(tmp_path: Path):
    (tmp_path / "file").touch()
    with pytest.raises(Unavailable):
        Blobs(Settings(var=tmp_path / "file" / "var")).put(1, [b"x"])


# -- in a bucket


@pytest.fixture
def bucket(tmp_path: Path) -> Iterator[Place]:
    with s3_server.serving() as s3:
        url = f"s3://{s3_server.BUCKET}"
        more = {"files_s3_endpoint": s3.url, **BUCKET_SETTINGS}
        yield Place(Blobs(Settings(var=tmp_path, files_url=url, **more)), tmp_path, s3)


def test_a_large_file_goes_in_parts(bucket):
    bucket.blobs.put(1, pieces(LARGE))
    assert sum(line.startswith("PUT") for line in bucket.s3.asked) == 4
    assert bucket.s3.uploads == {}


def test_a_bucket_that_is_busy_for_a_moment_is_asked_again(bucket):
    bucket.s3.refuse = 2
    blob = bucket.blobs.put(1, [b"x"])
    assert read(bucket.blobs, blob) == b"x"


@pytest.mark.timeout(150)  # obstore's own patience is three minutes
def test_a_server_that_is_not_there_is_unavailable_and_names_nothing(tmp_path: Path):
    settings = Settings(
        var=tmp_path, files_url="s3://mail-files", files_s3_endpoint="http://127.0.0.1:1",
        **BUCKET_SETTINGS,
    )  # fmt: skip
    with pytest.raises(Unavailable) as caught:
        Blobs(settings).put(1, [b"x"])
    assert "mail-files" not in str(caught.value)
    assert s3_server.SECRET not in str(caught.value)


def test_a_bucket_that_does_not_exist_is_unavailable(bucket, tmp_path: Path):
    more = {"files_url": "s3://no-such", "files_s3_endpoint": bucket.s3.url, **BUCKET_SETTINGS}
    blobs = Blobs(Settings(var=tmp_path, **more))
    with pytest.raises(Unavailable):
        blobs.put(1, [b"x"])
    with pytest.raises(Unavailable):
        list(blobs.listing())


def test_a_wrong_secret_is_unavailable(bucket, tmp_path: Path):
    more = BUCKET_SETTINGS | {"files_s3_secret_access_key": "wrong"}
    settings = Settings(
        var=tmp_path, files_url=f"s3://{s3_server.BUCKET}", files_s3_endpoint=bucket.s3.url, **more
    )
    with pytest.raises(Unavailable):
        Blobs(settings).put(1, [b"x"])
    assert bucket.s3.objects == {}
