"""`python -m tests.workers.poisoned worker …`: the command `replylog`, but reading a Gmail message with
the subject KILL ends the process at once, and one with the subject HANG keeps the interpreter's lock
for ever; each time is noted in the file `ended`. Leases are short, so that the next run soon begins."""

import os
import re
import signal
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

from crm.model import Headers
from providers.gmail import client
from replylog.cli import main
from workers import sync, worker

_ENDLESS = re.compile(r"(?:a|aa)+b")


def poison() -> None:
    read = client.headers_of

    def poisoned(answer: Mapping[str, Any], labels: Any) -> Headers:
        subjects = {each["value"] for each in answer["payload"]["headers"]}
        if subjects & {"KILL", "HANG"}:
            with Path(os.environ["REPLYLOG_VAR"], "ended").open("a") as ended:
                ended.write("once\n")
        if "KILL" in subjects:
            os.kill(os.getpid(), signal.SIGKILL)
        if "HANG" in subjects:
            _ENDLESS.fullmatch("a" * 200)
        return read(answer, labels)

    client.headers_of = poisoned  # type: ignore[assignment]
    sync.LEASE = timedelta(seconds=2)
    worker.SILENT = 4.0


if __name__ == "__main__":
    poison()
    main(prog_name="replylog")
