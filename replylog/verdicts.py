"""What the journal says of the story's messages, against what must be, as a table for people."""

from contextlib import suppress
from dataclasses import dataclass, field

import click

from crm.database import Database
from crm.store import journal, mailboxes
from replylog.office import account_of
from replylog.story import Expected


@dataclass
class Verdicts:
    database: Database
    rows: dict[tuple[str, str], journal.Entry] = field(default_factory=dict)

    def watched(self) -> set[str]:
        """Addresses of the mailboxes that announce their news."""
        with self.database.read() as conn:
            account_id = account_of(conn)
            return {
                box.address
                for box in mailboxes.list_mailboxes(conn, account_id)
                if mailboxes.watches(conn, account_id, box.id)
            }

    def settled(self, told: list[Expected]) -> bool:
        """Whether each has a verdict, right or wrong."""
        self._read()
        found = [self.rows.get((each.mailbox, each.provider_id)) for each in told]
        return all(row is not None and row.verdict != "pending" for row in found)

    def right(self, told: list[Expected]) -> bool:
        self._read()
        return all(self._is_right(each) for each in told) and self._one_entry(told)

    def report(self, told: list[Expected], announced: dict[str, list[float]]) -> bool:
        """Print the table; whether all is as it must be. `announced`: when notifications left for
        each address, ascending, epoch seconds."""
        click.echo(f"\n{'message':<58} {'verdict':<8} {'rule':<16} {'ms':>6}")
        for each in told:
            row = self.rows.get((each.mailbox, each.provider_id))
            verdict, rule = (row.verdict, row.rule) if row else ("missing", "")
            took = _milliseconds(each, row, announced)
            note = "" if self._is_right(each) else f"   expected {each.verdict} {each.rule}"
            click.echo(f"{each.title:<58} {verdict:<8} {rule:<16} {took:>6}{note}")
        right = sum(self._is_right(each) for each in told)
        click.echo(f"\n{right} of {len(told)} as expected; ms: from notification to journal")
        if not self._one_entry(told):
            click.echo("The copies of one message are not one entry.")
            return False
        return right == len(told)

    def _read(self) -> None:
        with self.database.read() as conn:
            account_id = account_of(conn)
            for box in mailboxes.list_mailboxes(conn, account_id):
                page = journal.rows(conn, account_id, box.id, journal.Filter(), limit=200)
                for row in page.items:
                    self.rows[box.address, row.provider_id] = row

    def _is_right(self, each: Expected) -> bool:
        row = self.rows.get((each.mailbox, each.provider_id))
        rules = {each.rule, each.or_rule} - {""}
        return row is not None and row.verdict == each.verdict and row.rule in rules

    def _one_entry(self, told: list[Expected]) -> bool:
        """Of the copies of one message one is the entry, the others its sightings."""
        with suppress(KeyError):
            copies = [self.rows[each.mailbox, each.provider_id] for each in told if each.or_rule]
            rules = [row.rule for row in copies]
            return len({row.email_id for row in copies}) == 1 and rules.count("reply") == 1
        return False


def _milliseconds(
    each: Expected, row: journal.Entry | None, announced: dict[str, list[float]]
) -> str:
    """From the first notification after the message was there to its verdict."""
    after = [at for at in announced.get(each.mailbox, []) if at >= each.began]
    if row is None or not after:
        return "-"
    return f"{max(row.decided_at.timestamp() - after[0], 0) * 1000:.0f}"
