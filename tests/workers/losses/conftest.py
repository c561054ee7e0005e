"""Ana's mailbox with a logged mail, on SQLite: the database is not what these tests are about."""

from collections.abc import Iterator

import pytest
from structlog.testing import capture_logs

from tests.workers.conftest import Office
from tests.workers.losses.play import MARIA, ROOT


@pytest.fixture(autouse=True)
def quiet_log() -> Iterator[None]:
    with capture_logs():
        yield


@pytest.fixture
def office(sqlite_office: Office) -> Office:
    return sqlite_office


@pytest.fixture
def ana(office: Office) -> int:
    """Ana's mailbox, with a logged mail to Maria, who is a contact."""
    office.contact(MARIA)
    mailbox = office.mailbox("ana@acme.test")
    office.send(mailbox, MARIA, "Offer 12", ROOT)
    office.sync(mailbox)
    return mailbox
