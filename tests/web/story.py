"""Mail that a small company would have, to look at and to test pages with."""

from datetime import timedelta
from typing import Any

from crm.model import Place
from crm.store import companies, deals
from tests.web import kept
from tests.web.company import BCC, Company

ANA, MARIA = "Ana Lima <ana@acme.test>", "Maria Rossi <maria@globex.test>"
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)

OFFER = """Dear Maria,

here is offer 12, valid until the end of the month: 40 seats, support on working days.

Do you have questions? I am in the office all week.

Ana
"""
QUESTION = """<html><head><style>p{color:red}</style></head><body>
<p>Hello Ana,</p><p>thank you. Two questions:</p>
<ol><li>Is <b>setting it up</b> part of the price?</li><li>Can we begin with 25 seats?</li></ol>
<p>Our plan is on <a href="https://globex.test/plan?id=7">our page</a>.</p>
<img src="https://pixel.tracker.test/open.gif" width="1" height="1">
<img src="https://globex.test/logo.png" alt="Globex logo" width="120">
<script>document.body.textContent = "owned"</script>
<div class="gmail_quote"><div>On Mon Ana wrote:</div><blockquote class="gmail_quote">here is offer 12</blockquote></div>
</body></html>"""
ANSWER = """Hello Maria,

yes to both. Here is the new offer with 25 seats.

Ana

On Tue, 24 Feb 2026 at 10:12, Maria Rossi <maria@globex.test> wrote:
> Hello Ana,
> thank you. Two questions:
> 1. Is setting it up part of the price?
> 2. Can we begin with 25 seats?
"""


def tell(company: Company) -> dict[str, Any]:
    """Play the story, or have it as it was played before; the ids that tests ask for."""
    return kept.once(company, _play)


def _play(company: Company) -> dict[str, Any]:
    ana = "ana@acme.test"
    company.connect(ana)
    company.connect("ben@acme.test", "graph")
    globex = "Globex GmbH"
    ids: dict[str, Any] = {}
    ids["maria"] = company.contact("Maria Rossi", "maria@globex.test", company=globex)
    ids["joe"] = company.contact("Joe Smith", "joe@initech.test", company="Initech")
    company.contact("Bob Keller", "bob@globex.test", company=globex)
    company.contact("", "office@umbrella.test")
    with company.database.begin() as conn:
        ids["globex"] = companies.ensure(conn, company.account, globex)
        ids["deal"] = deals.add(conn, company.account, "40 seats", [ids["maria"]], company.now)
        ids["no_deal"] = deals.add(conn, company.account, "Training", [], company.now)

    company.audited(ana)
    offer = company.mail(ANA, MARIA, "Offer 12", OFFER, bcc=BCC)
    ids["offer"] = company.bring(ana, offer, 2 * DAY)
    away = company.mail(
        MARIA, ANA, "Re: Offer 12", "I am away until Monday.",
        answers=offer["Message-ID"], auto_submitted="auto-replied",
    )  # fmt: skip
    ids["away"] = company.bring(ana, away, 2 * DAY - MINUTE)
    question = company.mail(
        MARIA, ANA, "Re: Offer 12", "Hello Ana, two questions", html=QUESTION,
        answers=offer["Message-ID"], cc="Bob Keller <bob@globex.test>",
    )  # fmt: skip
    ids["question"] = company.bring(ana, question, 15 * MINUTE)
    draft = company.mail(
        MARIA, ANA, "Contract", "Here is our contract.", answers=offer["Message-ID"]
    )
    company.bring(ana, draft, 4 * DAY)
    answer = company.mail(ANA, MARIA, "Re: Contract", ANSWER, answers=draft["Message-ID"], bcc=BCC)
    answer.add_attachment(
        b"%PDF" * 40_000, maintype="application", subtype="pdf", filename="Offer 12b.pdf"
    )
    answer.add_attachment(b"x" * 900, maintype="text", subtype="csv", filename="prices.csv")
    ids["answer"] = company.bring(ana, answer, 3 * HOUR)

    return ids | _visit(company, offer["Message-ID"])


def _visit(company: Company, offer: str) -> dict[str, Any]:
    ana = "ana@acme.test"
    ids: dict[str, Any] = {}
    visit = company.mail(
        ANA,
        f"{MARIA}, Joe Smith <joe@initech.test>",
        "Visit in May",
        "Shall we meet on 12 May?",
        bcc=BCC,
    )
    ids["visit"] = company.bring(ana, visit, 5 * DAY)
    fine = company.mail(
        "Joe Smith <joe@initech.test>",
        ANA,
        "Re: Visit in May",
        "Fine with me. Shall I bring the samples?\n\nJoe",
        answers=visit["Message-ID"],
        cc=MARIA,
    )
    ids["fine"] = company.bring(ana, fine, 40 * MINUTE)

    stranger = company.mail(
        "Paul <paul@stranger.test>", ana, "Re: Visit in May", "Me too", answers=visit["Message-ID"]
    )
    company.bring(ana, stranger, 30 * MINUTE)
    changed = company.mail(
        "Bob Keller <bob@globex.test>", ana, "Invoice", "Where is it?", answers=offer
    )
    company.bring(ana, changed, 20 * MINUTE)
    news = company.mail("news@initech.test", ana, "Spring sale", "Buy now")
    company.bring(ana, news, 10 * MINUTE)
    spam = company.mail("win@lucky.test", ana, "You won", "Really")
    company.bring(ana, spam, 6 * MINUTE, Place.JUNK)
    plain = company.mail("Ana Lima <ana@acme.test>", "office@umbrella.test", "Lunch", "At noon?")
    company.bring(ana, plain, 4 * MINUTE)
    return ids
