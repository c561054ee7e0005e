"""Folders that the account follows by hand (setting `followed_folders`): found by name or path."""

from collections.abc import Iterator, Sequence, Set

from providers.graph.errors import About, NotThere
from providers.graph.requests import Requests
from providers.graph.transport import NEXT, Json, Transport, entries

MOST_FOLDERS = 2000  # that are looked through
DEEPEST = 15


class Tree:
    """The folders of one mailbox, level by level."""

    def __init__(self, transport: Transport, requests: Requests) -> None:
        self._transport = transport
        self._requests = requests

    def named(self, wanted: Sequence[str], shut: Set[str]) -> list[Json]:
        """The folders that one of `wanted` names, whatever its case; none of those in `shut` and
        nothing below them. A name means every folder of that name, a path (`Old/Customers`) every
        one whose own path ends so."""
        ends = [f"/{each.strip('/')}".casefold() for each in wanted if each.strip("/")]
        return [
            folder for path, folder in self._walk(shut) if any(path.endswith(end) for end in ends)
        ]

    def _walk(self, shut: Set[str]) -> Iterator[tuple[str, Json]]:
        level = [("", "msgfolderroot")]
        seen: set[str] = set()
        for _ in range(DEEPEST):
            below: list[tuple[str, str]] = []
            for above, folder in self._children(level):
                if folder["id"] in seen or folder["id"] in shut:
                    continue
                seen.add(folder["id"])
                if len(seen) > MOST_FOLDERS:
                    return
                path = f"{above}/{folder.get('displayName') or ''}".casefold()
                yield path, folder
                if folder.get("childFolderCount"):
                    below.append((path, folder["id"]))
            if not below:
                return
            level = below

    def _children(self, parents: Sequence[tuple[str, str]]) -> Iterator[tuple[str, Json]]:
        requests = [self._requests.children(folder) for _, folder in parents]
        answers = self._transport.batch(requests, About.FOLDER)
        for (path, _), answer in zip(parents, answers, strict=True):
            if isinstance(answer, NotThere):
                continue  # it went while we looked
            if isinstance(answer, Exception):
                raise answer
            found = list(entries(answer))
            if answer.get(NEXT):
                found += self._transport.all_values(
                    self._transport.linked(answer[NEXT]), About.FOLDER
                )
            yield from ((path, each) for each in found)
