"""The runbook: what each row of the operator's page means and what to do, and every metric.

The page `/operator/runbook` shows it, so that links work where only replylog is installed;
`python -m web.runbook` writes the same into docs/runbook.md, and a test holds the two together.
"""

from dataclasses import dataclass
from pathlib import Path

FILE = Path(__file__).resolve().parent.parent / "docs" / "runbook.md"


@dataclass(frozen=True, slots=True)
class Entry:
    """A row of the operator's page; its id is the anchor."""

    id: str
    title: str
    means: str
    do: tuple[str, ...]
    metrics: tuple[tuple[str, str], ...]  # name, what it lets one notice


ENTRIES: tuple[Entry, ...] = (
    Entry(
        "mailboxes",
        "Mailboxes",
        "How many mailboxes are connected, wait for a person to connect them again (by cause), or were "
        "disconnected. One that waits is not read; its cursor stays, so nothing is lost once it is back.",
        (
            "A single mailbox: its owner sees a banner on every page and gets a mail; remind them.",
            "Many at once with one cause: it is the tenant or the app, not the people. An administrator "
            "took the consent back, a policy changed, or the client secret expired; the cause says which.",
            "What changed for one mailbox stands in its history, under Mailboxes.",
        ),
        (
            ("replylog_mailboxes", "a growing `reconnect` means consents are being lost"),
            ("replylog_mailboxes_stopped", "many of one cause point at the tenant or the app"),
            ("replylog_run_failures_total", "runs that end early, by the class of the error"),
            (
                "replylog_google_security_events_total",
                "Google's warnings about accounts and consents",
            ),
            ("replylog_mailboxes_moved", "mailboxes whose domain is with another provider now"),
            ("replylog_provider_moves_total", "domains that move, or only seemed to"),
            ("replylog_host_checks_total", "no growth, or `unknown` alone: DNS does not answer"),
        ),
    ),
    Entry(
        "watches",
        "Watches",
        "Watches are what providers announce new mail by. One that ran out, or is overdue to be renewed, "
        "loses nothing: the mailbox is asked every ten minutes instead, so mail comes later.",
        (
            "A few for some minutes: nothing. They are tried again within five minutes.",
            "Many, or one for hours: see whether the public URL is reached from outside (Microsoft asks "
            "it when a watch is made), and whether the Pub/Sub topic lets Gmail publish.",
            "Pushes arrive but are refused: compare the Pub/Sub audience and service account with the settings.",
        ),
        (
            ("replylog_watches_expired", "more than 0 for half an hour: renewing fails"),
            ("replylog_watches_overdue", "the same, before they run out"),
            (
                "replylog_mailboxes_unwatched",
                "providers make no watch, and say why on the mailbox's card",
            ),
            ("replylog_watch_failures_total", "providers refuse to make or renew watches"),
            ("replylog_watch_refusals_total", "a cause that a person must mend"),
            ("replylog_watch_lapses_total", "times in which a mailbox had no live watch"),
            ("replylog_watch_lapse_seconds_total", "how long those were, together"),
            ("replylog_watch_unannounced_total", "mail that came while a live watch was silent"),
            ("replylog_gmail_pushes_total", "no growth: Gmail's pushes do not arrive"),
            ("replylog_gmail_pulled_total", "no growth: nothing comes from the pull subscription"),
            ("replylog_graph_notifications_total", "no growth: Microsoft's pushes do not arrive"),
            (
                "replylog_webhooks_unavailable_total",
                "pushes answered 503 for want of Redis or the database; they come again, later",
            ),
        ),
    ),
    Entry(
        "limits",
        "Providers' limits",
        "Mailboxes that a provider asked us to let be for a while. They are read again when that time is "
        "over; nothing is lost.",
        (
            "A few: nothing. A mailbox that was just connected and reads a long gap is one.",
            "All of one provider: the project's or the app's own quota is used up. Ask the provider for more, "
            "or look for another program that uses the same client id.",
        ),
        (
            ("replylog_mailboxes_blocked", "many at once: a quota of the whole app"),
            (
                "replylog_provider_limits_total",
                "which limits are met, by their shape; `budget` is one that we stop short of ourselves",
            ),
            (
                "replylog_quota_units",
                "how near Gmail's mailboxes together are to your project's quota",
            ),
        ),
    ),
    Entry(
        "queue",
        "Queue",
        "Mailboxes that are awake wait for a worker or have one. The longest due mailbox is one that should "
        "have been rung by now; more than some seconds means that work is not taken up.",
        (
            "Awake grows and workers live: start more workers (`replylog worker`), on more machines if need be.",
            "Awake grows and no worker lives: see Workers.",
            "Due grows and nothing is awake: see Timetable and Redis.",
        ),
        (
            ("replylog_mailboxes_awake", "growth: too few workers"),
            ("replylog_queue_jobs", "jobs that no worker takes"),
            ("replylog_mailboxes_due", "what the timetable rings in a tick"),
            ("replylog_oldest_due_seconds", "more than a minute: nobody takes work up"),
        ),
    ),
    Entry(
        "workers",
        "Workers",
        "Worker processes that told Redis lately that they live.",
        (
            "None: start `replylog worker`, and read the last lines of its log.",
            "They end again and again: the log names the error. A mail that ends its worker three times is "
            "set aside, shows in its mailbox's history, and the others go on.",
        ),
        (
            ("replylog_workers", "0 for a minute: nothing is read"),
            (
                "replylog_worker_ends_total",
                "`signal 9` is the kernel's or somebody's kill, `exit 1` a start that fails",
            ),
            ("replylog_run_deaths_total", "runs whose process died or hung"),
            ("replylog_messages_set_aside_total", "messages that ended a worker three times"),
        ),
    ),
    Entry(
        "timetable",
        "Timetable",
        "One process rings what is due: the safety net below all pushes. It ticks every second while it leads.",
        (
            "No tick for a minute: start `replylog timetable`, and read its log. Pushes go on meanwhile, but what "
            "they miss waits.",
            "Two were started: one leads, the other waits; that is fine.",
        ),
        (
            (
                "replylog_timetable_ticked_seconds",
                "a minute behind the clock: the timetable stopped",
            ),
            (
                "replylog_timetable_ticks_total",
                "`waited` grows: a second one runs; `failed`: Redis or the database was away",
            ),
            ("replylog_timetable_leads_total", "growth: the one that led ended"),
        ),
    ),
    Entry(
        "pending",
        "Pending messages",
        "Messages that could not be judged yet, with the time of their next try, and those that were given up "
        "after two days of tries or after they ended a worker three times.",
        (
            "Given up: the owner sees them under Why? as pending, and their mailbox's history tells of it. Read the "
            "class of the error in the log, mend the cause, then have them tried again there.",
            "Many wait with one error: the provider has trouble, or a release of ours has. They are tried again.",
        ),
        (
            ("replylog_pending_messages", "`given-up` above 0: a person must look"),
            ("replylog_messages_total", "messages by verdict and rule; a sudden change of the mix"),
        ),
    ),
    Entry(
        "lag",
        "Lag",
        "How long ago everything in a mailbox was settled, for the mailbox that is furthest behind and for the one "
        "in the middle. A quiet mailbox is looked at every ten minutes, so a lag up to that is rest.",
        (
            "The worst alone is high: one mailbox has trouble; `replylog mailbox list` says which, its history why.",
            "The median is high: all wait. See Queue, Workers, Providers' limits, Database, in this order.",
        ),
        (("replylog_lag_seconds", "`worst` above half an hour, `median` above fifteen minutes"),),
    ),
    Entry(
        "outbox",
        "Outbox",
        "Events that are on their way to other programs and to people. Due ones wait for a free thread, dead ones used "
        "all their tries (three days of them), and an endpoint that failed for three days is paused.",
        (
            "Dead or paused: Settings, Outgoing webhooks names the endpoint and its last status. Mend the receiver, "
            "resume the endpoint, replay.",
            "Mails not sent: the mail server did not take notices to people for three days; compare the SMTP settings.",
            "Due grows and no endpoint fails: no worker lives, or receivers are slow; start more workers.",
            "Events are kept for 30 days, delivered or not: what is not replayed by then is gone from here.",
        ),
        (
            ("replylog_outbox_due", "growth: too few workers, or slow receivers"),
            ("replylog_outbox_dead", "more than 0: somebody lacks events"),
            (
                "replylog_outbox_mails_unsent",
                "more than 0: the mail server refuses; see its settings",
            ),
            ("replylog_outbox_oldest_seconds", "an hour: a receiver fails"),
            (
                "replylog_outbox_deliveries_total",
                "tries by destination and outcome, but for webhooks",
            ),
            ("replylog_webhook_posts_total", "`failed` and `dead` beside `delivered`"),
            ("replylog_webhook_endpoints_paused_total", "endpoints that were told no more"),
            ("replylog_webhook_endpoints_stopped", "endpoints that are so now"),
        ),
    ),
    Entry(
        "files",
        "Files",
        "Files of logged e-mails that are still to be read from their mailbox.",
        (
            "Growth: the store for files does not take them (disk full, bucket or key wrong); the log of the workers "
            "says what it answered. The e-mails themselves are on their timelines.",
        ),
        (
            ("replylog_files_waiting", "growth: files cannot be kept"),
            ("replylog_files_total", "files by what became of them"),
            ("replylog_files_swept_total", "kept files that no e-mail named any more"),
        ),
    ),
    Entry(
        "repairs",
        "Repairs and audits",
        "What happened to mailboxes in the last seven days: cursors that a provider forgot and that were repaired, gaps "
        "that were read, watches that were made anew, audits that compared a mailbox with its journal.",
        (
            "A few repairs are usual: providers forget. Nothing is missing after one.",
            "An audit that found missed messages logged them, too. If it finds some again and again, something does not "
            "announce or list them: `replylog mailbox audit ADDRESS` says how many, and why as far as it can tell.",
        ),
        (
            (
                "replylog_repaired_messages_total",
                "any growth: a reply was missed at first; its reason says where to look",
            ),
            (
                "replylog_missed_pushes_total",
                "mail that only the ten-minute look found: pushes do not arrive",
            ),
            ("replylog_audits_total", "no growth in a day, or `given-up`: audits cannot be made"),
            (
                "replylog_last_audit_age_seconds",
                "more than a day: no mailbox was audited last night",
            ),
            ("replylog_audits_overdue_seconds", "more than some hours: audits do not keep up"),
            (
                "replylog_cursors_expired_total",
                "many at once: a provider lost its changes, or we were away",
            ),
            ("replylog_cursor_repairs_total", "fewer than expired ones: repairs do not end"),
        ),
    ),
    Entry(
        "redis",
        "Redis",
        "Whether Redis answers. It holds the bell and the queue, and nothing that cannot be found again: the timetable "
        "rings what was lost.",
        (
            "It does not answer: start it. Providers get 503 meanwhile and repeat themselves.",
            "Its memory grows: see Queue. It needs a few megabytes.",
        ),
        (),
    ),
    Entry(
        "database",
        "Database",
        "Whether the database answers, and its size. It is the truth: back it up.",
        (
            "It does not answer: this page cannot be read either. Start it, or look for a full disk; runs are repeated "
            "from where they were.",
            "After it was put back from a backup, what was logged since is listed and logged again from the mailboxes.",
        ),
        (),
    ),
)
BY_ID = {each.id: each for each in ENTRIES}


def markdown() -> str:
    """The runbook as docs/runbook.md has it."""
    lines = [
        "# Runbook",
        "",
        "<!-- made by `python -m web.runbook` -->",
        "",
        "What each row of the page `/operator` means, what to do, and the metrics that tell the same to an alarm.",
        "The same text is served at `/operator/runbook`.",
    ]
    for each in ENTRIES:
        lines += ["", f"## {each.title}", "", f'<a id="{each.id}"></a>', "", each.means, ""]
        lines += [f"- {step}" for step in each.do]
        if each.metrics:
            lines += ["", "| metric | what it lets you notice |", "|---|---|"]
            lines += [f"| `{name}` | {notice} |" for name, notice in each.metrics]
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    FILE.write_text(markdown(), encoding="utf-8")
