"""The timeline on the pages of a contact, a company and a deal: threads folded to the newest e-mail,
and a part that follows itself up."""

from dataclasses import dataclass
from typing import Any

from flask import Response, abort, request, url_for

from crm.store import timeline
from crm.store.paging import WrongCursor
from crm.store.search import Result
from crm.store.timeline import EmailRow, On, ThreadRow
from web import live, search
from web.emails import Shown, shown
from web.parts import parts
from web.people import me
from web.search import Form

THREADS = 10
_READ = {
    On.CONTACT: timeline.of_contact,
    On.COMPANY: timeline.of_company,
    On.DEAL: timeline.of_deal,
}


@dataclass(frozen=True, slots=True)
class Thread:
    """A thread, folded to its newest message."""

    row: ThreadRow
    newest: Shown
    older: tuple[EmailRow, ...]

    @property
    def name(self) -> str:
        return f"thread-{self.row.id}-{self.newest.email.id}-{len(self.older)}"


@dataclass(frozen=True, slots=True)
class Timeline:
    """A page of a timeline; `after` is '' for the first, which follows itself up. `result` is what
    was found on it where somebody searches; then there are no `rows`."""

    on: On
    row_id: int
    rows: tuple[ThreadRow, ...]
    after: str
    more: str
    form: Form
    result: Result | None = None

    @property
    def version(self) -> str:
        return live.version(
            *((row.id, [(each.id, each.visibility) for each in row.emails]) for row in self.rows)
        )

    @property
    def part(self) -> str:
        """Where the part is asked for again."""
        return self.form.url(f"{self.on}_timeline", **self._which, v=self.version)

    @property
    def page(self) -> str:
        """The page of the whole timeline."""
        return url_for(self.on.value, **self._which)

    @property
    def further(self) -> str:
        """The page of older threads, or of what more was found; '' where there are none."""
        return self.form.url(self.on.value, self.more, **self._which) if self.more else ""

    @property
    def _which(self) -> dict[str, Any]:
        return {f"{self.on}_id": self.row_id}

    def threads(self) -> list[Thread]:
        """The threads with the bodies of their newest e-mails."""
        found = []
        with parts().database.read() as conn:
            for row in self.rows:
                newest = timeline.email(conn, me().viewer, row.emails[0].id)
                if newest is not None:
                    found.append(Thread(row, shown(newest), row.emails[1:]))
        return found


def read(on: On, row_id: int) -> Timeline:
    """The page that the request asks for. The caller made sure that there is such a row."""
    after, form = request.args.get("after", ""), search.form()
    result = search.results(form, (on, row_id))
    if result is not None:
        return Timeline(on, row_id, (), after, result.page.next, form, result)
    with parts().database.read() as conn:
        try:
            found = _READ[on](conn, me().viewer, row_id, after, THREADS, form.only)
        except WrongCursor:
            abort(404)
    return Timeline(on, row_id, found.items, after, found.next, form)


def part(on: On, row_id: int) -> Response:
    """The first page as a part, 204 where nothing has changed."""
    found = read(on, row_id)
    return live.part("parts/timeline.html", found.version, timeline=found)
