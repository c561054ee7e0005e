"""What every adapter promises about the files of messages."""

from contextlib import closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from crm import messages
from crm.model import Attachment, Place, Ref
from providers.client import CHUNK, Gone, Reconnect, Retry
from tests.providers import mail

if TYPE_CHECKING:
    from tests.providers.contract import Rig


class FileClauses:
    """Clauses of `contract.Contract`."""

    @pytest.mark.parametrize("name", ["files", "forwarded", "large"])
    def test_the_bytes_of_every_file_are_those_of_the_raw_message(
        self, rig: "Rig", name: str
    ) -> None:
        raw = mail.SAMPLES[name] if name in mail.SAMPLES else mail.large()
        ref = Ref(rig.deliver(raw))
        read = {
            one.filename: unified(one, read_whole(rig, ref, one.part)) for one in files_of(rig, ref)
        }
        expected = {
            one.filename: unified(one, messages.attachment(raw, one.part) or b"")
            for one in messages.parse(raw, ref, Place.FOLLOWED, datetime.now(UTC)).attachments
        }
        assert read == expected

    def test_a_large_file_comes_in_bounded_pieces(self, rig: "Rig") -> None:
        ref = Ref(rig.deliver(mail.large()))
        (file,) = files_of(rig, ref)
        pieces = [len(piece) for piece in rig.client.attachment(ref, file.part)]
        assert sum(pieces) == mail.LARGE
        assert len(pieces) > 1
        assert max(pieces) <= CHUNK

    def test_a_file_without_content_has_no_bytes(self, rig: "Rig") -> None:
        ref = Ref(rig.deliver(mail.with_file("empty.bin", b"")))
        (file,) = files_of(rig, ref)
        assert read_whole(rig, ref, file.part) == b""

    def test_reading_may_stop_early_and_begin_again(self, rig: "Rig") -> None:
        ref = Ref(rig.deliver(mail.large()))
        (file,) = files_of(rig, ref)
        with closing(rig.client.attachment(ref, file.part)) as pieces:
            first = next(pieces)
        assert read_whole(rig, ref, file.part).startswith(first)

    def test_a_file_of_a_deleted_message_is_gone(self, rig: "Rig") -> None:
        ref = Ref(rig.deliver(mail.FILES))
        part = files_of(rig, ref)[0].part
        rig.delete(ref.id)
        with pytest.raises(Gone):
            read_whole(rig, ref, part)

    @pytest.mark.parametrize("part", ["9", "2.7", "", "../1", "AAMkAD-nothing="])
    def test_a_part_that_is_not_there_is_gone(self, rig: "Rig", part: str) -> None:
        ref = Ref(rig.deliver(mail.FILES))
        with pytest.raises(Gone):
            read_whole(rig, ref, part)

    def test_the_size_of_a_message_is_that_of_all_of_it(self, rig: "Rig") -> None:
        raw = mail.large()
        size = rig.client.message(Ref(rig.deliver(raw))).size
        assert mail.LARGE < size < 1.1 * len(raw)

    def test_a_limit_met_while_reading_a_file_says_when_to_come_back(self, rig: "Rig") -> None:
        ref = Ref(rig.deliver(mail.FILES))
        part = files_of(rig, ref)[0].part
        rig.refuse(429, retry_after=120)
        with pytest.raises(Retry) as caught:
            read_whole(rig, ref, part)
        assert caught.value.after is not None
        assert 100 <= caught.value.after <= 121
        assert read_whole(rig, ref, part)

    def test_a_consent_taken_back_stops_reading_files(self, rig: "Rig") -> None:
        ref = Ref(rig.deliver(mail.FILES))
        part = files_of(rig, ref)[0].part
        rig.revoke()
        with pytest.raises(Reconnect):
            read_whole(rig, ref, part)


def files_of(rig: "Rig", ref: Ref) -> tuple[Attachment, ...]:
    return rig.client.message(ref).attachments


def read_whole(rig: "Rig", ref: Ref, part: str) -> bytes:
    return b"".join(rig.client.attachment(ref, part))


def unified(file: Attachment, content: bytes) -> bytes:
    """An attached message is written anew by providers, with line ends of their own."""
    if file.content_type.startswith("message/"):
        return content.replace(b"\r\n", b"\n").strip()
    return content
