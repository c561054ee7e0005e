"""Mail of public test suites: all of it is read, threaded, explained and shown, and nothing raises.

A small part lies in tests/mail; all of it is read where shared/data/mail lies beside the project.
"""

import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from crm.database import Database
from crm.explainer import UNCLEAR, explain_text
from crm.identity import identity, same_message
from crm.kinds import kind, kind_of
from crm.messages import attachment, fold, parse, snippet
from crm.model import Context, Headers, Kind, Message, Place, Ref, Root
from crm.rules.decide import decide, explain
from crm.subjects import base_subject
from tests.crm.store_world import World
from tests.crm.test_rules import ANA, CONTEXT
from web import mail_html

HERE = Path(__file__).parents[1] / "mail"
ALL = Path(__file__).parents[3] / "shared" / "data" / "mail"
LAST = datetime(2026, 3, 2, tzinfo=UTC)
NOT_MAIL = {"LICENSE.txt", "README.md", ".gitattributes"}
BATCH = 120  # messages of one test, so that many processes share them
SECONDS = 30  # of CPU for one message: only what hangs takes so long


def files(folder: Path) -> list[Path]:
    found = (path for path in folder.rglob("*") if path.is_file())
    return sorted(path for path in found if path.name not in NOT_MAIL)


def batches() -> Iterator[tuple[str, list[Path]]]:
    """Parts of a suite, by name. Without the folder beside the project, one empty part."""
    for suite in sorted(path for path in (HERE, ALL) if path.is_dir()):
        for folder in sorted(path for path in suite.iterdir() if path.is_dir()):
            paths = files(folder)
            for start in range(0, len(paths), BATCH):
                yield (
                    f"{suite.parent.name}/{folder.name} from {start}",
                    paths[start : start + BATCH],
                )
    if not ALL.is_dir():
        yield "shared", []


BATCHES = dict(batches())


def read(path: Path) -> tuple[bytes, Message]:
    raw = path.read_bytes()
    return raw, parse(raw, Ref(path.name), Place.FOLLOWED, LAST)


@pytest.mark.parametrize("batch", BATCHES.values(), ids=BATCHES)
def test_real_and_broken_mail_is_read_and_shown_whole_and_in_time(batch):
    if not batch:
        pytest.skip("no ../shared/data/mail beside the project")
    for path in batch:
        start = time.thread_time()
        raw, message = read(path)
        shown = (message.text, message.html, message.headers.subject, snippet(message.text))
        for text in shown:
            assert "\x00" not in text
            text.encode("utf-8")
        assert len(shown[-1]) <= 200
        assert "".join(fold(message.text)) == message.text
        for file in message.attachments:
            assert file.filename
            assert len(attachment(raw, file.part) or b"") == file.size
        body = mail_html.clean(message.html) if message.html else mail_html.text_page(message.text)
        page = mail_html.page(body).lower()
        assert "<script" not in page
        assert "javascript:" not in page
        assert time.thread_time() - start < SECONDS, path.name


@pytest.mark.parametrize("batch", BATCHES.values(), ids=BATCHES)
def test_each_decision_about_real_mail_is_explained(batch):
    """Every message of the batch is taken for logged once, and every other for an answer."""
    if not batch:
        pytest.skip("no ../shared/data/mail beside the project")
    messages = [read(path)[1] for path in batch]
    logged = {
        each.headers.message_id: Root(number, ANA, False, base_subject(each.headers.subject))
        for number, each in enumerate(messages)
        if each.headers.message_id
    }
    for message in messages:
        headers = message.headers
        roots = {one: logged[one] for one in headers.answers if one in logged}
        judged(headers, replace(CONTEXT, roots=roots))
        assert kind(headers) in Kind
        assert kind_of(message) in {kind(headers), Kind.CALENDAR}
        assert identity(headers, message.text) == identity(headers, f" {message.text}\n")
        assert same_message(headers, headers.sender.address, LAST)
        assert base_subject(base_subject(headers.subject)) == base_subject(headers.subject)


def judged(headers: Headers, context: Context) -> None:
    """The decision follows from what the message refers to, and each rule says a sentence."""
    verdict = decide(headers, context)
    lines = explain(headers, context)
    said = {rule: passed for rule, passed, _ in lines}
    assert all(sentence for _, _, sentence in lines)
    assert next((rule for rule, passed, _ in lines if not passed), "reply") == verdict.rule
    assert said["not-a-reply"] is bool(headers.answers)
    assert said["unknown-thread"] is bool(context.roots)
    if context.roots:
        nearest = next(one for one in headers.answers if one in context.roots)
        root = context.roots[nearest]
        assert said["subject-changed"] is (base_subject(headers.subject) == root.base_subject)
        assert verdict.root in {root, None}


@pytest.fixture
def explained(sqlite_url, secrets, now):
    """The explainer, for a mailbox that has logged nothing."""
    database = Database(sqlite_url)
    world = World(database, secrets, now)
    box = world.mailbox("ana@acme.test")

    def ask(raw: bytes):
        with database.read() as conn:
            return explain_text(conn, box, raw, now, secrets)

    yield ask
    database.close()


@pytest.mark.parametrize("batch", BATCHES.values(), ids=BATCHES)
def test_the_explainer_has_an_answer_for_all_mail_that_is_pasted_into_it(explained, batch):
    if not batch:
        pytest.skip("no ../shared/data/mail beside the project")
    for path in batch:
        start = time.thread_time()
        answer = explained(path.read_bytes())
        assert time.thread_time() - start < SECONDS, path
        assert answer.headline
        assert answer.verdict == UNCLEAR or answer.rule in {line.id for line in answer.rules}, path


def test_most_mail_that_is_pasted_is_understood(explained):
    verdicts = [explained(path.read_bytes()).verdict for path in files(HERE / "public")]
    assert len(verdicts) > 120
    assert len(verdicts) - verdicts.count(UNCLEAR) > 100


def test_all_the_mail_is_there():
    counts = {name: len(batch) for name, batch in BATCHES.items()}
    own = sum(count for name, count in counts.items() if name.startswith("tests/"))
    assert own > 300
    assert not ALL.is_dir() or sum(counts.values()) - own > 1000
