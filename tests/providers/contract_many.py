"""Clauses of the contract about messages that are asked for together."""

from typing import TYPE_CHECKING

from crm.model import Ref
from providers.client import Gone
from tests.providers import mail

if TYPE_CHECKING:
    from tests.providers.contract import Rig


class ManyClauses:
    def test_headers_come_in_order_with_none_for_what_is_gone(self, rig: "Rig") -> None:
        refs = [rig.deliver(mail.numbered(n)) for n in range(12)]
        rig.delete(refs[4])
        asked = [Ref(ref) for ref in reversed(refs)]
        read = rig.client.headers(asked)
        assert [None if one is None else one.ref.id for one in read] == [
            None if ref == refs[4] else ref for ref in reversed(refs)
        ]
        assert rig.client.headers([]) in ([], ())

    def test_whole_messages_come_in_order_with_gone_for_what_is_gone(self, rig: "Rig") -> None:
        refs = [rig.deliver(mail.numbered(n)) for n in range(12)]
        rig.delete(refs[4])
        asked = [Ref(ref) for ref in reversed(refs)]
        for ref, read in zip(asked, rig.client.messages(asked), strict=True):
            if ref.id == refs[4]:
                assert isinstance(read, Gone)
            else:
                assert read == rig.client.message(ref)
        assert list(rig.client.messages([])) == []
