"""What becomes of a forward, once it was read: the verdict on the original that is found in it."""

from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial

from crm.forwards.entry import as_received, whole
from crm.forwards.original import Forwarded, enclosed, in_text, original
from crm.kinds import kind_of
from crm.model import Context, Headers, Message, Original
from crm.rules import team
from crm.rules.forwarded import UNREADABLE, decide_original
from crm.rules.turns import turned_by
from crm.store import accounts, senders, settle
from crm.store.outcomes import Logged, Outcome, Refused, Run
from providers.client import MailClient
from workers.runtime import Runtime

LARGEST = 50 * 1024 * 1024  # bytes of an attached message


@dataclass(frozen=True, slots=True)
class Forwarding:
    """Judges forwards of one mailbox."""

    runtime: Runtime
    run: Run
    client: MailClient

    def judge(self, forward: Logged, context: Context) -> Outcome:
        """The outcome for a message that the rules let in for its original's sake. Raises
        ProviderError."""
        if forward.verdict.original is Original.PREFERRED:
            return self._for_team(forward, context)
        message = forward.message
        found = original(message, self._enclosed(message))
        if found is None:
            headers = message.headers
            return Refused(headers.ref, headers.place, headers, UNREADABLE)
        return self._for_user(forward, found, context)

    def _for_team(self, forward: Logged, context: Context) -> Logged:
        message = forward.message
        forwarder = message.headers.sender
        found = in_text(message, message.plain or message.text)
        sender = found.sender if found else None
        if sender is not None:
            context = self._context(replace(message.headers, sender=sender), context)
        verdict = team.for_original(forward.verdict, forwarder, sender, context)
        return replace(forward, verdict=verdict)

    def _for_user(self, forward: Logged, found: Forwarded, context: Context) -> Outcome:
        headers = self._identified(as_received(forward.message.headers, found))
        context = self._context(headers, context)
        judge = partial(decide_original, first=forward.verdict)
        verdict = judge(headers, context)
        turned = turned_by(headers, context, verdict, judge)
        if not verdict.logged:
            return Refused(
                headers.ref, forward.message.headers.place, headers, verdict.rule, turned
            )
        message = whole(forward.message, headers, found)
        return Logged(verdict, message, kind_of(message), turned)

    def _enclosed(self, message: Message) -> bytes:
        """The message that is attached, as far as it is read; b"" where there is none."""
        file = enclosed(message)
        if file is None:
            return b""
        data = bytearray()
        with closing(self.client.attachment(message.headers.ref, file.part)) as pieces:
            for piece in pieces:
                data += piece
                if len(data) > LARGEST:
                    break
        return bytes(data)

    def _identified(self, headers: Headers) -> Headers:
        """`headers`, without a Message-ID that belongs to an e-mail of somebody else."""
        if not headers.message_id:
            return headers
        account_id = self.run.mailbox.account_id
        with self.runtime.database.read() as conn:
            digest = accounts.digests(conn, account_id, self.run.secrets).of(headers.message_id)
            known = senders.senders(conn, account_id, headers.message_id, digest)
        if not known or headers.sender.address in known:
            return headers
        return replace(headers, message_id="")

    def _context(self, headers: Headers, context: Context) -> Context:
        """`context` for the original: with its thread and its people."""
        with self.runtime.database.read() as conn:
            found = settle.load_context(conn, self.run.mailbox, [headers]).of(headers)
        return replace(context, roots=found.roots, contacts=found.contacts)
