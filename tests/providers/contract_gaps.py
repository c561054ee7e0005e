"""The clauses about a time in which nobody read the mailbox. See `contract.Contract`."""

from datetime import timedelta
from typing import TYPE_CHECKING

from crm.model import Place, Ref
from tests.providers import mail

if TYPE_CHECKING:
    from tests.providers.contract import Rig


class GapClauses:
    def test_what_arrived_is_counted_without_what_was_sent_or_thrown_away(self, rig: "Rig") -> None:
        came = [rig.deliver(mail.numbered(n)) for n in range(5)]
        rig.deliver(mail.numbered(6), Place.JUNK)
        rig.move(rig.deliver(mail.numbered(7)), Place.TRASH)
        rig.send(mail.numbered(8))
        first, hour = rig.client.headers([Ref(came[0])])[0], timedelta(hours=1)
        assert first is not None
        at = first.received_at
        assert sum(rig.client.arrived(at - hour, at + hour)) == 5
        assert sum(rig.client.arrived(at - 2 * hour, at - hour)) == 0
