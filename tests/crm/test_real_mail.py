"""Mail of public test suites, where it lies beside the project: nothing of it may raise."""

import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from crm.kinds import kind
from crm.messages import attachment, fold, parse, snippet
from crm.model import Place, Ref
from crm.subjects import base_subject

MAIL = Path(__file__).parents[3] / "shared" / "data" / "mail"


@pytest.mark.skipif(not MAIL.is_dir(), reason="no ../shared/data/mail beside the project")
def test_real_and_broken_mail_is_read_whole_and_in_time():
    start, count = time.perf_counter(), 0
    for path in sorted(path for path in MAIL.rglob("*") if path.is_file()):
        raw = path.read_bytes()
        message = parse(raw, Ref(path.name), Place.FOLLOWED, datetime(2026, 3, 2, tzinfo=UTC))
        kind(message.headers)
        base_subject(message.headers.subject)
        assert len(snippet(message.text)) <= 200
        assert "".join(fold(message.text)) == message.text
        for file in message.attachments:
            assert file.filename
            assert len(attachment(raw, file.part) or b"") == file.size
        shown = (message.text, message.html, message.headers.subject)
        assert not any("\x00" in text for text in shown)
        for text in shown:
            text.encode("utf-8")
        count += 1

    assert count > 1000
    assert time.perf_counter() - start < 60
