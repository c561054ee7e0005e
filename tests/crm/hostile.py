"""Damaged mail for tests of what must never raise."""

from pathlib import Path

from hypothesis import strategies as st

MAIL = Path(__file__).parents[1] / "mail"


def mails() -> list[bytes]:
    """The messages of tests/mail."""
    return [path.read_bytes() for path in sorted(MAIL.glob("*.eml"))]


def mutated(originals: list[bytes]) -> st.SearchStrategy[bytes]:
    """One of the originals with pieces cut out, doubled, turned around or written over."""
    place = st.integers(0, 2000)
    junk = st.one_of(
        st.binary(max_size=12),
        st.sampled_from(
            [b"\r", b"\n\n", b"> ", b"\0", b"=?utf-8?b?", b"<", b"&lt;", b":", b"\xff"]
        ),
    )
    change = st.tuples(st.sampled_from(["cut", "double", "turn", "write"]), place, place, junk)

    def apply(original: bytes, changes: list[tuple[str, int, int, bytes]]) -> bytes:
        for how, one, two, junk in changes:
            start, end = sorted((one % (len(original) + 1), two % (len(original) + 1)))
            piece = original[start:end]
            new = {"cut": b"", "double": piece * 2, "turn": piece[::-1], "write": junk}[how]
            original = original[:start] + new + original[end:]
        return original

    return st.builds(apply, st.sampled_from(originals), st.lists(change, max_size=6))
