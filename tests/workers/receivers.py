"""A program that is told of events: what it got, and what it answers."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from infra.posting import Answer, NotPosted

URL = "https://crm.test/hook"


@dataclass(frozen=True)
class Got:
    """One post."""

    url: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def type(self) -> str:
        return str(self.json["type"])

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Receiver:
    """Stands where the network is: `answers` are used up one a post, then `otherwise`."""

    got: list[Got] = field(default_factory=list)
    answers: list[int | str] = field(default_factory=list)
    otherwise: int | str = 200
    after: float = 0.0

    def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        self.got.append(Got(url, headers, body))
        answer = self.answers.pop(0) if self.answers else self.otherwise
        if isinstance(answer, str):
            raise NotPosted(answer)
        return Answer(answer, self.after)

    @property
    def types(self) -> list[str]:
        return [each.type for each in self.got]
