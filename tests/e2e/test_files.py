"""Files from the wire of each provider to the place where they are kept."""

import base64
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from crm.tables import EmailAttachment
from tests.e2e.test_calls import Counted, counted
from workers.runtime import utc_now

__all__ = ["counted"]
PDF = b"%PDF-1.7 " + bytes(range(256)) * 40


def answer(counted: Counted, *names: str) -> None:
    """The contact answers with files of these names."""
    (root,) = counted.letters.roots[counted.owner][:1]
    content = base64.b64encode(PDF).decode()
    files = [{"name": name, "mime": "application/pdf", "content": content} for name in names]
    counted.letters._arrive(root, "reply", attachments=files)


def states(counted: Counted) -> list[tuple[str, str]]:
    return [(name, state) for name, state, _ in rows(counted)]


def rows(counted: Counted) -> list[tuple[str, str, str]]:
    table = EmailAttachment
    query = select(table.filename, table.state, table.digest).where(
        table.account_id == counted.office.account_id
    )
    with counted.office.database.read() as conn:
        return [tuple(row) for row in conn.execute(query.order_by(table.id))]


def read(counted: Counted, digest: str) -> bytes:
    return b"".join(counted.runtime.blobs.open(counted.office.account_id, digest))


def test_files_of_a_reply_are_kept_by_the_run_that_logs_it(counted: Counted):
    answer(counted, "one.pdf", "two.pdf")
    counted.reset()
    counted.sync()
    assert states(counted) == [("one.pdf", "stored"), ("two.pdf", "stored")]
    assert {read(counted, digest) for _, _, digest in rows(counted)} == {PDF}
    value = {"gmail": "gmail.attachments.get", "graph": "graph.attachments.value"}
    calls = counted.calls()
    assert calls[value[counted.provider]] == 2


@pytest.mark.parametrize("counted", ["graph"], indirect=True)
def test_files_behind_a_placeholder_are_kept_when_their_scan_has_ended(counted: Counted):
    def control(path: str, **body: Any) -> None:
        counted.office.world.post(f"microsoft/{path}", address=counted.owner, **body)

    control("switch", name="graph.dynamic_delivery", value=1000)
    answer(counted, "plan.pdf")
    counted.sync()
    assert states(counted) == [("Safe Attachments Scan In Progress", "attachment-pending")]
    control("finish-scan")
    later = replace(counted.runtime, clock=lambda: utc_now() + timedelta(minutes=3))
    counted.runtime = later
    counted.sync()
    assert states(counted) == [("plan.pdf", "stored")]
    assert read(counted, rows(counted)[0][2]) == PDF
