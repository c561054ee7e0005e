"""A mailbox whose thread is answered with files."""

from datetime import timedelta

from sqlalchemy import select

from crm.store import settings as account_settings
from crm.tables import EmailAttachment
from tests.providers.mail import with_file
from tests.workers.conftest import Office

MARIA = "maria@globex.test"
ROOT = "root-1@acme.test"


class Desk:
    """Ana's mailbox with a thread that Maria answers with files."""

    def __init__(self, office: Office) -> None:
        self.office = office
        office.contact(MARIA)
        self.ana = self.mailbox("ana@acme.test")
        office.send(self.ana, MARIA, "Offer", ROOT)
        office.sync(self.ana)

    def mailbox(self, address: str) -> int:
        return self.office.mailbox(address, user="ana@acme.test")

    def answer(self, content: bytes, name: str = "a.pdf", mailbox: int = 0, head: str = "") -> str:
        """Maria answers with a file; the message's id."""
        raw = with_file(name, content)
        raw = raw.replace(b"gina@globex.test\r\n", MARIA.encode() + b"\r\n", 1)
        raw = raw.replace(b"Subject: A file", b"Subject: Re: Offer", 1)
        raw = raw.replace(
            b"MIME-Version", f"In-Reply-To: <{ROOT}>\r\n{head}MIME-Version".encode(), 1
        )
        return self.office.boxes[mailbox or self.ana].deliver(raw)

    def sync(self, after: timedelta = timedelta()) -> None:
        self.office.clock += after
        self.office.sync(self.ana)

    def setting(self, name: str, value: bool | int) -> None:
        with self.office.database.begin() as conn:
            account_settings.set_setting(conn, self.office.account_id, name, value)

    def rows(self) -> list[tuple[str, str, str, int]]:
        """(name, state, digest, size) of all files."""
        table = EmailAttachment
        columns = (table.filename, table.state, table.digest, table.size)
        where = table.account_id == self.office.account_id
        return [
            tuple(row) for row in self.office.rows(select(*columns).where(where).order_by(table.id))
        ]

    def states(self) -> list[str]:
        return [state for _, state, _, _ in self.rows()]

    def kept(self) -> list[bytes]:
        """The bytes behind every file that is kept."""
        return [
            b"".join(self.office.blobs.open(self.office.account_id, digest))
            for _, _, digest, _ in self.rows()
            if digest
        ]

    def calls(self, mailbox: int = 0) -> int:
        return self.office.boxes[mailbox or self.ana].calls["attachment"]

    def refuse(self, error: Exception, times: int = 1) -> None:
        self.office.boxes[self.ana].refuse(error, times, "attachment")  # type: ignore[arg-type]

    def blobs(self) -> int:
        return sum(len(some) for some in self.office.blobs.listing())
