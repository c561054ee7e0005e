"""`python -m tests.forwards`: how much of forwarded mail is read right, beside the library that we
started from. The figures of docs/forwards.md."""

import click

from tests.forwards import corpus
from tests.forwards.cases import CASES
from tests.forwards.measure import Figures, message_of, of_cases, of_corpus, of_library


def _line(name: str, figures: Figures) -> None:
    click.echo(
        f"{name:<34}{figures.files:>5} texts, {figures.wanted:>3} with a sender to be found: "
        f"{figures.right['sender']:>3} right, {len(figures.wrong):>2} wrong, "
        f"{len(figures.missed):>2} not found"
    )


def main() -> None:
    own = of_corpus()
    _line("corpus", own)
    fields = ", ".join(f"{name} {own.right[name]}" for name in own.right if name != "sender")
    click.echo(f"  of those {own.right['sender']}: {fields}")
    click.echo(f"  not found: {', '.join(own.missed)}")
    files = ((name, message, expected.sender) for name, message, expected in corpus.files())
    _line("corpus, the library alone", of_library(files))
    _line("own cases", of_cases())
    cases = ((case.name, message_of(case), case.sender) for case in CASES)
    _line("own cases, the library alone", of_library(cases))


if __name__ == "__main__":
    main()
