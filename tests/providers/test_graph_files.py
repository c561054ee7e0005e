"""Files as only Microsoft has them: links to a cloud, and placeholders while they are scanned."""

from collections.abc import Iterator

import pytest

from crm.model import Content, Ref
from providers.client import Gone, Retry
from tests.providers import mail
from tests.providers.graph_mailbox import mail as a_message
from tests.providers.graph_rig import GraphRig, rig_on
from tests.sandbox_process import Sandbox


@pytest.fixture
def rig(sandbox: Sandbox) -> Iterator[GraphRig]:
    with rig_on(sandbox) as made:
        yield made


def read(rig: GraphRig, ref: Ref, part: str) -> bytes:
    return b"".join(rig.client.attachment(ref, part))


def test_a_link_to_a_file_in_a_cloud_is_told_apart_and_has_no_bytes(rig):
    ref = Ref(rig.deliver(mail.PLAIN))
    rig.control("microsoft/link", id=ref.id, name="Plan.docx", url="https://cloud.test/plan")
    (link,) = rig.client.message(ref).attachments
    assert (link.filename, link.content) == ("Plan.docx", Content.LINK)
    with pytest.raises(Gone):
        read(rig, ref, link.part)


@pytest.mark.parametrize(
    "name",
    ["Safe Attachments Scan In Progress", "ATP Scan In Progress", "ATP Scan In Progress.eml"],
)
def test_the_placeholder_of_a_scan_is_told_apart_until_the_files_are_there(rig, name):
    rig.control("microsoft/switch", name="graph.dynamic_delivery", value=1000)
    rig.control("microsoft/switch", name="graph.placeholder_name", value=name)
    ref = Ref(rig.deliver(mail.with_file("plan.pdf", b"%PDF-1.7")))
    (before,) = rig.client.message(ref).attachments
    assert (before.filename, before.content) == (name, Content.SCANNED)
    rig.control("microsoft/finish-scan")
    (after,) = rig.client.message(ref).attachments
    assert (after.filename, after.content) == ("plan.pdf", Content.BYTES)
    assert read(rig, ref, after.part) == b"%PDF-1.7"


@pytest.mark.parametrize("name", ["Scan.pdf", "How Safe Attachments work.pdf", "Scan In Progress"])
def test_a_file_with_a_name_like_it_is_a_file(box, name):
    files = [{"@odata.type": "#microsoft.graph.fileAttachment", "id": "a1", "name": name}]
    box.messages["m1"] = a_message(1, attachments=files)
    assert box.client.message(Ref("m1")).attachments[0].content is Content.BYTES


def test_a_message_of_which_exchange_tells_no_size_is_as_large_as_what_is_in_it(box):
    files = [{"@odata.type": "#microsoft.graph.fileAttachment", "id": "a1", "size": 70}]
    body = {"contentType": "text", "content": "12345"}
    box.messages["m1"] = a_message(1, attachments=files, body=body)
    assert box.client.message(Ref("m1")).size == 75


def test_a_refused_token_is_renewed_once_while_reading_a_file(rig):
    ref = Ref(rig.deliver(mail.FILES))
    part = rig.client.message(ref).attachments[0].part
    rig.control("expire-tokens")
    assert read(rig, ref, part)


def test_a_file_that_breaks_off_is_asked_for_later(rig):
    ref = Ref(rig.deliver(mail.large()))
    part = rig.client.message(ref).attachments[0].part
    rig.sandbox.post("/control/faults", match="/v1.0/", kind="truncate", times=1)
    with pytest.raises(Retry):
        read(rig, ref, part)
