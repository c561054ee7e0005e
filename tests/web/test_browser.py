"""The pages in a real Chromium: what people do, and what axe-core says about each page."""

import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from playwright.sync_api import Page, expect

from crm.history import What
from crm.model import Ref
from crm.store import endpoints, gaps, history, limits, never_log
from crm.store.outcomes import Later
from providers import causes
from tests.web import story
from tests.web.company import Company
from tests.web.conftest import pages, sign_in
from tests.web.paths import PATHS
from tests.web.test_mail_html import ATTACKS
from workers.queue import QueueDown

pytestmark = pytest.mark.browser

AXE = (Path(__file__).parent / "axe" / "axe-4.14.1.min.js").read_text()
SIZES = {"wide": {"width": 1280, "height": 900}, "narrow": {"width": 360, "height": 740}}


def serious(page: Page) -> list[str]:
    """axe-core's findings of the levels serious and critical, with the elements."""
    page.evaluate(AXE)
    result = page.evaluate(
        "axe.run(document, {runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa']})"
    )
    return [
        f"{each['id']}: {[node['html'][:160] for node in each['nodes'][:3]]}"
        for each in result["violations"]
        if each["impact"] in {"serious", "critical"}
    ]


@pytest.fixture
def told(live_company: Company) -> dict[str, Any]:
    ids = story.tell(live_company)
    ana = live_company.world.users["ana@acme.test"]
    with live_company.database.begin() as conn:
        added = never_log.add(conn, live_company.account, ana, ["globex.test"], live_company.now)
        endpoint = endpoints.add(
            conn, live_company.account, "https://crm.test/hook", ["email.logged"],
            live_company.secrets, live_company.now,
        )  # fmt: skip
        endpoints.send_test(conn, live_company.account, endpoint.id, live_company.now)
    return ids | {"globex": added.new[0].id, "endpoint": endpoint.id}


@pytest.mark.parametrize(("size", "scheme"), [("narrow", "light"), ("wide", "dark")])
def test_every_page_is_fit_for_everybody(told, at_desk, site, size, scheme):
    at_desk.set_viewport_size(SIZES[size])
    at_desk.emulate_media(color_scheme=scheme)
    findings = {}
    for name, path in PATHS.items():
        at_desk.goto(site + path(told))
        at_desk.wait_for_timeout(150)
        wider = at_desk.evaluate("document.documentElement.scrollWidth - window.innerWidth")
        found = serious(at_desk) + ([f"{wider} px too wide"] if wider > 0 else [])
        if found:
            findings[name] = found
    assert findings == {}


@pytest.mark.parametrize(("size", "scheme"), [("narrow", "dark"), ("wide", "light")])
def test_a_mailbox_in_trouble_is_fit_for_everybody(told, live_company, at_desk, site, size, scheme):
    at_desk.set_viewport_size(SIZES[size])
    at_desk.emulate_media(color_scheme=scheme)
    in_trouble(live_company)
    findings = []
    for path in ("/mailboxes", "/why?verdict=given-up", "/mailboxes/1/history"):
        at_desk.goto(site + path)
        at_desk.wait_for_timeout(150)
        wider = at_desk.evaluate("document.documentElement.scrollWidth - window.innerWidth")
        findings += serious(at_desk) + ([f"{wider} px too wide"] if wider > 0 else [])
    assert findings == []
    at_desk.goto(f"{site}/mailboxes")
    at_desk.get_by_role("link", name="2 messages could not be read").click()
    at_desk.get_by_role("button", name="Try again now").first.click()
    at_desk.get_by_text("Trying again now.").wait_for()


def in_trouble(company: Company) -> None:
    """Ana's mailbox: a fault of the set-up, a limit before it, and two messages that are stuck."""
    box, now = company.boxes["ana@acme.test"], company.now
    company.world.settle(
        box,
        Later(Ref("stuck"), "error", "ValueError", None),
        Later(Ref("killer"), "fatal", "WorkerDied", None),
    )
    with company.database.begin() as conn:
        limits.block(conn, box, now, "limit:user", now - timedelta(hours=3))
        limits.block(conn, box, now, f"setup:{causes.PROJECT_QUOTA}", now - timedelta(hours=2))
        history.note(conn, company.account, box.id, What.SET_ASIDE, now, file=False)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_banner_of_a_stopped_mailbox_is_fit_for_everybody(
    told, live_company, at_desk, site, scheme
):
    live_company.stop("ana@acme.test", causes.ADMIN_BLOCKED)
    live_company.stop("ben@acme.test", causes.REVOKED)
    at_desk.emulate_media(color_scheme=scheme)
    for width in (1280, 360):
        at_desk.set_viewport_size({"width": width, "height": 740})
        for path in ("/contacts", "/mailboxes", "/why", "/mailboxes/1/reconnect"):
            at_desk.goto(site + path)
            at_desk.wait_for_timeout(300)
            expect(at_desk.get_by_label("A mailbox needs you")).to_be_visible()
            expect(at_desk.get_by_label("Mailboxes of colleagues stopped")).to_be_visible()
            assert serious(at_desk) == []
            assert at_desk.evaluate("document.documentElement.scrollWidth") <= width


def test_the_choice_about_a_gap_is_fit_for_everybody_and_one_key_away(
    told, live_company, at_desk, site
):
    with live_company.database.begin() as conn:
        ana, account = live_company.boxes["ana@acme.test"].id, live_company.account
        gaps.begin(conn, account, ana, live_company.now - timedelta(days=3), live_company.now)
        [gap] = gaps.work(conn, account, ana)
        gaps.counted(conn, account, gap.id, 214, done=True)
    for path in ("/mailboxes", "/mailboxes/1/connected"):
        for width in (1280, 360):
            at_desk.set_viewport_size({"width": width, "height": 740})
            at_desk.goto(site + path)
            expect(at_desk.get_by_text("214 messages arrived meanwhile")).to_be_visible()
            assert serious(at_desk) == []
            assert at_desk.evaluate("document.documentElement.scrollWidth") <= width
    at_desk.get_by_role("button", name="Read what arrived meanwhile").focus()
    at_desk.keyboard.press("Enter")
    expect(at_desk.get_by_text("is being read")).to_be_visible()
    with live_company.database.begin() as conn:
        gaps.read_up_to(conn, account, gap.id, gap.until, 214, live_company.now)
    expect(at_desk.get_by_text("was read: 214 messages looked at")).to_be_visible()


@pytest.mark.parametrize("fault", [RuntimeError("x"), QueueDown("x")], ids=["500", "503"])
def test_the_page_of_a_fault_is_fit_for_everybody(page, live_settings, serve, fault):
    def fail() -> None:
        raise fault

    def broken(url: str) -> Flask:
        app = pages(live_settings(url))
        app.view_functions["sign_in"] = fail
        return app

    page.goto(serve(broken) + "/sign-in")
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    assert serious(page) == []


def test_the_sign_in_page_is_fit_for_everybody(page, site):
    page.goto(f"{site}/sign-in")
    assert serious(page) == []
    page.get_by_label("E-mail address").fill("ana@acme.test")
    page.get_by_label("Password").fill("wrong")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_contain_text("do not fit together")


def test_a_mouse_is_not_needed(told, at_desk, site):
    at_desk.goto(f"{site}/contacts")
    at_desk.keyboard.press("Tab")
    expect(at_desk.get_by_text("Skip to the page")).to_be_focused()
    at_desk.keyboard.press("Enter")
    for _ in range(20):
        at_desk.keyboard.press("Tab")
        if "Maria" in at_desk.evaluate("document.activeElement.textContent"):
            break
    outline = at_desk.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"
    at_desk.keyboard.press("Enter")
    expect(at_desk.get_by_role("heading", name="Maria Rossi")).to_be_visible()


@pytest.mark.parametrize("size", SIZES)
def test_targets_are_large_enough_to_hit(told, at_desk, site, size):
    at_desk.set_viewport_size(SIZES[size])
    for path in (
        f"/contacts/{told['maria']}",
        "/mailboxes",
        "/settings/logging",
        "/settings/never-log",
        "/why",
        "/why/explain",
    ):
        at_desk.goto(site + path)
        small = at_desk.evaluate(
            """[...document.querySelectorAll('button, [role=button], input:not([type=hidden]), select, nav a, summary')]
            .map(e => e.matches('[type=checkbox], [type=radio]') && e.closest('label') || e)
            .filter(e => e.checkVisibility() && e.getBoundingClientRect().height < 43.5)
            .map(e => e.outerHTML.slice(0, 80))"""
        )
        assert small == [], path


def test_what_an_entry_would_stop_shows_in_place_before_it_is_added(told, at_desk, site):
    at_desk.goto(f"{site}/settings/never-log")
    mine = at_desk.get_by_role("region", name="Your Never Log list")
    mine.get_by_label("Addresses and domains").fill("joe@initech.test")
    mine.get_by_role("button", name="Show what it would stop").click()
    expect(mine.get_by_role("status")).to_contain_text("1 thread stops")
    expect(mine.get_by_role("link", name="Visit in May")).to_be_visible()
    expect(mine.get_by_label("Addresses and domains")).to_have_value("joe@initech.test")
    mine.get_by_role("link", name="globex.test").click()
    expect(mine.get_by_text("It stops 3 threads")).to_be_visible()
    assert at_desk.url.endswith("/settings/never-log")
    mine.get_by_role("button", name="Add").click()
    expect(mine.get_by_text("joe@initech.test", exact=True)).to_be_visible()


def test_a_row_stays_where_the_page_followed_itself_up_before_its_action_was_answered(
    told, at_desk, site
):
    at_desk.goto(f"{site}/why")
    button = at_desk.get_by_role("button", name="Add contact and log").first
    sender = button.locator("xpath=ancestor::tr").locator(".sender").inner_text().split()[0]
    held: list[Any] = []
    at_desk.route("**/add-contact", lambda route: held.append(route))
    with at_desk.expect_response(lambda one: "/why/lines" in one.url and one.status == 200):
        with at_desk.expect_request("**/add-contact"):
            button.click()
        answer = held[0].fetch()
    held[0].fulfill(response=answer)
    at_desk.wait_for_timeout(300)
    row = at_desk.get_by_role("row").filter(has_text=sender).first
    expect(row).to_contain_text("Looking again")


def test_a_mail_is_read_in_its_frame_and_its_script_does_not_run(told, at_desk, site):
    asked = []
    at_desk.on("request", lambda request: asked.append(request.url))
    at_desk.goto(f"{site}/contacts/{told['maria']}")
    frame = at_desk.frame_locator("iframe.mail")
    expect(frame.get_by_text("setting it up")).to_be_visible()
    expect(frame.get_by_text("Globex logo")).to_be_visible()
    expect(frame.get_by_text("here is offer 12")).to_be_hidden()
    frame.get_by_text("Show the quoted messages").click()
    expect(frame.get_by_text("here is offer 12")).to_be_visible()
    assert "owned" not in (frame.locator("body").text_content() or "")
    assert [url for url in asked if not url.startswith(site)] == []
    at_desk.wait_for_function(
        "(e => e.contentDocument.documentElement.scrollHeight <= e.clientHeight)(document.querySelector('iframe.mail'))"
    )


def test_pictures_are_asked_for_after_the_click(told, at_desk, site):
    at_desk.context.route(re.compile("globex"), lambda route: route.abort())
    asked = []
    at_desk.on("request", lambda request: asked.append(request.url))
    at_desk.goto(f"{site}/contacts/{told['maria']}")
    with at_desk.expect_request("https://globex.test/logo.png"):
        at_desk.get_by_role("button", name="Show 1 picture").click()
    assert not any("tracker" in url for url in asked)


def test_a_hostile_mail_cannot_run_anything(live_company, at_desk, site):
    live_company.connect("ana@acme.test")
    html = "".join(f"<p>{n}</p>{attack}" for n, attack in enumerate(ATTACKS.values()))
    sent = live_company.mail(story.ANA, story.MARIA, "Hostile", "x", html=html, bcc="log@acme.test")
    made = live_company.bring("ana@acme.test", sent)
    dialogs = []
    at_desk.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    at_desk.on(
        "request", lambda request: dialogs.append(request.url) if "evil" in request.url else None
    )
    for path in (f"/emails/{made}", f"/emails/{made}/body", f"/emails/{made}/whole"):
        at_desk.goto(site + path)
        at_desk.wait_for_timeout(300)
    assert dialogs == []


def test_earlier_messages_open_in_place(told, at_desk, site):
    at_desk.goto(f"{site}/contacts/{told['maria']}")
    at_desk.get_by_text("2 earlier messages").click()
    expect(at_desk.get_by_text("support on working days")).to_be_visible()
    expect(at_desk.get_by_text("I am away until Monday.")).to_be_visible()


def test_keys_move_among_threads_and_unfold_them(told, at_desk, site):
    at_desk.goto(f"{site}/contacts/{told['maria']}")
    threads, keys = at_desk.locator("[data-thread]"), at_desk.keyboard
    for key, at in (("j", 0), ("j", 1), ("ArrowDown", 2), ("j", 2), ("k", 1), ("ArrowUp", 0)):
        keys.press(key)
        expect(threads.nth(at)).to_be_focused()
    outline = at_desk.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"
    keys.press("Enter")
    expect(at_desk.get_by_text("I am away until Monday.")).to_be_visible()
    keys.press("Enter")
    expect(at_desk.get_by_text("I am away until Monday.")).to_be_hidden()
    keys.press("?")
    expect(at_desk.get_by_role("dialog", name="Keys on a timeline")).to_be_visible()
    assert serious(at_desk) == []
    keys.press("Escape")
    keys.press("/")
    keys.type("j? offer")
    expect(at_desk.get_by_label("Search in this timeline")).to_have_value("j? offer")


def test_a_timeline_follows_itself_up_without_disturbing_the_reader(
    told, live_company, at_desk, site
):
    at_desk.goto(f"{site}/contacts/{told['joe']}")
    at_desk.get_by_text("1 earlier message").click()
    expect(at_desk.get_by_text("Shall we meet on 12 May?")).to_be_visible()
    new = live_company.mail(
        story.ANA, "joe@initech.test", "A new offer", "Here it is", bcc="log@acme.test"
    )
    live_company.bring("ana@acme.test", new)
    expect(at_desk.get_by_role("heading", name="A new offer")).to_be_visible()
    expect(at_desk.get_by_text("Shall we meet on 12 May?")).to_be_visible()


def test_nothing_is_asked_for_while_nobody_looks(told, at_desk, site):
    at_desk.goto(f"{site}/mailboxes")
    at_desk.evaluate("Object.defineProperty(document, 'hidden', {value: true})")
    asked = []
    at_desk.on("request", lambda request: asked.append(request.url))
    at_desk.wait_for_timeout(4500)
    assert asked == []


def test_a_row_of_the_journal_is_mended_in_place(told, live_company, at_desk, site):
    at_desk.goto(f"{site}/why?sender=paul")
    at_desk.get_by_role("button", name="Add contact and log").click()
    row = at_desk.get_by_role("row").filter(has_text="paul@stranger.test")
    expect(row.get_by_role("status")).to_contain_text("is a contact now. Looking again…")
    expect(at_desk.get_by_role("button", name="Add contact and log")).to_have_count(0)
    assert serious(at_desk) == []


def test_what_is_open_in_the_journal_stays_open_when_mail_arrives(
    told, live_company, at_desk, site
):
    at_desk.goto(f"{site}/why")
    forward = at_desk.locator("details", has_text="Your company has no forwarding address").last
    forward.locator("summary").click()
    live_company.bring("ana@acme.test", live_company.mail("zoe@x.test", story.ANA, "Hi", "Hi"))
    expect(at_desk.get_by_text("It is a new e-mail from zoe@x.test")).to_be_visible()
    expect(forward.get_by_text("Your company has no forwarding address")).to_be_visible()


def test_the_chart_of_the_journal_filters_by_day_and_by_reason(told, at_desk, site):
    at_desk.goto(f"{site}/why")
    at_desk.locator(".legend").get_by_role("link", name="junk").click()
    at_desk.wait_for_url("**rule=junk**")
    expect(at_desk.get_by_role("row")).to_have_count(2)
    at_desk.goto(f"{site}/why")
    at_desk.locator("figure svg a").nth(9).click()  # four days ago
    at_desk.wait_for_url("**from=**")


def test_the_explainers_answer_is_fit_for_everybody(told, at_desk, site):
    at_desk.goto(f"{site}/why/explain")
    at_desk.get_by_label("Headers of the message").fill(
        "From: eve@x.test\nTo: ana@acme.test\nSubject: Re: Offer 12\nIn-Reply-To: <m1@acme.test>"
    )
    at_desk.get_by_role("button", name="Explain").click()
    expect(at_desk.get_by_role("heading", level=2)).to_contain_text("Would not be logged")
    for size in SIZES.values():
        at_desk.set_viewport_size(size)
        assert serious(at_desk) == []
        assert at_desk.evaluate("document.documentElement.scrollWidth") <= size["width"]


def test_the_done_page_tells_live_what_became_of_a_message(live_company, at_desk, site):
    live_company.connect("ana@acme.test")
    at_desk.goto(f"{site}/mailboxes/1/connected")
    expect(at_desk.get_by_text("Getting the mailbox ready")).to_be_visible()
    live_company.bring("ana@acme.test", live_company.mail("zoe@x.test", story.ANA, "Hi", "Hi"))
    expect(at_desk.get_by_text("It is a new e-mail from zoe@x.test")).to_be_visible()


def test_times_are_told_in_the_readers_zone_on_hover(told, at_desk, site):
    at_desk.goto(f"{site}/contacts/{told['maria']}")
    title = at_desk.locator("time").first.get_attribute("title") or ""
    assert re.search(r"\d{4}.* at \d\d:\d\d:\d\d", title)


def test_pages_work_without_scripts(told, chromium, site):
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    sign_in(page, site)
    page.goto(f"{site}/contacts/{told['maria']}")
    expect(page.frame_locator("iframe.mail").get_by_text("setting it up")).to_be_visible()
    page.get_by_text("2 earlier messages").click()
    expect(page.get_by_text("support on working days")).to_be_visible()  # nothing moves any more
    page.get_by_role("link", name="Open", exact=True).first.click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Offer 12")
    context.close()
