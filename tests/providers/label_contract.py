"""What every adapter promises about the log label; beside `contract.Contract`."""

import pytest

from crm.model import Ref
from providers import causes
from providers.client import Reconnect
from tests.providers import mail
from tests.providers.contract import Rig


class LabelContract:
    """Clauses, as those of `contract.Contract`."""

    def test_a_label_is_made_once_whatever_its_letter_case(self, rig: Rig) -> None:
        for name in ("Log to CRM", "CRM/Übersee", "log TO crm", "CRM/übersee", "Log to CRM"):
            rig.client.ensure_label(name)
        assert sorted(rig.labels()) == ["CRM/Übersee", "Log to CRM"]

    def test_without_the_consent_no_label_is_made_and_mail_is_read_all_the_same(
        self, rig: Rig
    ) -> None:
        rig.keep_labels()
        with pytest.raises(Reconnect) as caught:
            rig.client.ensure_label("Log to CRM")
        assert caught.value.cause == causes.SCOPE_MISSING
        assert rig.labels() == []
        assert rig.client.headers([Ref(rig.deliver(mail.PLAIN))])[0] is not None
