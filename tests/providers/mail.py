"""Raw messages that adapters must read alike."""

import base64
import random


def crlf(text: str, charset: str = "utf-8") -> bytes:
    return text.lstrip("\n").replace("\n", "\r\n").encode(charset)


def numbered(n: int) -> bytes:
    return crlf(f"""
From: Gina Globex <gina@globex.test>
To: ana@acme.test
Subject: Number {n}
Date: Mon, 02 Mar 2026 08:{n:02d}:00 +0000
Message-ID: <number-{n}@globex.test>

This is number {n}.
""")


def encoded(data: bytes) -> str:
    return base64.encodebytes(data).decode()


PLAIN = crlf("""
From: Gina Globex <gina@globex.test>
To: Ana Acme <ana@acme.test>, "Team, All of it" <team@acme.test>
Cc: Boss <boss@globex.test>
Subject: Re: The offer
Date: Mon, 02 Mar 2026 08:59:00 +0100
Message-ID: <plain-1@globex.test>
In-Reply-To: <offer-1@acme.test>
References: <older-1@acme.test>
 <offer-1@acme.test>

Yes, please.

> Do you want it?
""")

ENCODED_HEADERS = crlf("""
From: =?utf-8?q?J=C3=BCrgen_M=C3=BCller?= <Juergen@Globex.Test>
To: =?iso-8859-1?b?QW5hIMRjbWU=?= <ana@acme.test>
Subject: =?utf-8?b?QW50d29ydDog?= =?utf-8?q?Gr=C3=BC=C3=9Fe?=
Date: Mon, 02 Mar 2026 08:59:00 +0100
Message-ID: <encoded-1@globex.test>
MIME-Version: 1.0
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: quoted-printable

Sch=C3=B6ne Gr=C3=BC=C3=9Fe, eine sehr lange Zeile, die hier weich umgebrochen =
wird.
""")

LATIN = crlf(
    """
From: gina@globex.test
To: ana@acme.test
Subject: Latin
Date: Mon, 02 Mar 2026 08:59:00 +0000
Message-ID: <latin-1@globex.test>
MIME-Version: 1.0
Content-Type: text/plain; charset="iso-8859-1"
Content-Transfer-Encoding: 8bit

Schöne Grüße aus Köln
""",
    "latin-1",
)

HTML_ONLY = crlf("""
From: gina@globex.test
To: ana@acme.test
Subject: HTML
Date: Mon, 02 Mar 2026 08:59:00 +0000
Message-ID: <html-1@globex.test>
MIME-Version: 1.0
Content-Type: text/html; charset=windows-1252
Content-Transfer-Encoding: quoted-printable

<html><body><p>It costs =80 5 &amp; more.</p><p>Bye</p></body></html>
""")

ALTERNATIVE = crlf("""
From: gina@globex.test
To: ana@acme.test
Subject: Both
Date: Mon, 02 Mar 2026 08:59:00 +0000
Message-ID: <both-1@globex.test>
MIME-Version: 1.0
Content-Type: multipart/alternative; boundary="b1"

This is not shown.
--b1
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: 8bit

Plain – with a dash
--b1
Content-Type: text/html; charset=utf-8
Content-Transfer-Encoding: 8bit

<p>Rich – with a dash</p>
--b1--
""")

FILES = crlf(f"""
From: gina@globex.test
To: ana@acme.test
Subject: Files
Date: Mon, 02 Mar 2026 08:59:00 +0000
Message-ID: <files-1@globex.test>
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary="outer"

--outer
Content-Type: multipart/related; boundary="inner"

--inner
Content-Type: text/html; charset=utf-8

<p>See <img src="cid:logo@globex.test"></p>
--inner
Content-Type: image/png; name="logo.png"
Content-Transfer-Encoding: base64
Content-Disposition: inline; filename="logo.png"
Content-ID: <logo@globex.test>

{encoded(bytes(range(256)))}
--inner--
--outer
Content-Type: application/pdf
Content-Transfer-Encoding: base64
Content-Disposition: attachment; filename*=utf-8''%C3%9Cbersicht%202026.pdf

{encoded(b"%PDF-1.7 " + b"x" * 5000)}
--outer
Content-Type: text/plain; charset=utf-8
Content-Disposition: attachment; filename="notes.txt"

Notes that are no body.
--outer--
""")

FORWARDED = crlf("""
From: gina@globex.test
To: ana@acme.test
Subject: Fwd: The offer
Date: Mon, 02 Mar 2026 08:59:00 +0000
Message-ID: <forwarded-1@globex.test>
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary="b2"

--b2
Content-Type: text/plain; charset=us-ascii

Please see the message below.
--b2
Content-Type: message/rfc822
Content-Disposition: attachment; filename="offer.eml"

From: hugo@umbrella.test
To: gina@globex.test
Subject: The offer
Message-ID: <offer-0@umbrella.test>
MIME-Version: 1.0
Content-Type: text/plain; charset=utf-8

Inside.
--b2--
""")

BOUNCE = crlf("""
Return-Path: <>
From: Mail Delivery <mailer-daemon@globex.test>
To: ana@acme.test
Subject: Undelivered
Date: Mon, 02 Mar 2026 08:59:00 +0000
Message-ID: <bounce-1@globex.test>
Auto-Submitted: auto-replied
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="b3"

--b3
Content-Type: text/plain; charset=us-ascii

It could not be delivered.
--b3
Content-Type: message/delivery-status

Reporting-MTA: dns; globex.test

Final-Recipient: rfc822; nobody@globex.test
Action: failed
Status: 5.1.1
--b3--
""")

CALENDAR = crlf("""
From: gina@globex.test
To: ana@acme.test
Subject: Accepted: Lunch
Date: Mon, 02 Mar 2026 08:59:00 +0000
Message-ID: <calendar-1@globex.test>
List-Id: Lunch <lunch.globex.test>
Precedence: bulk
MIME-Version: 1.0
Content-Type: multipart/alternative; boundary="b4"

--b4
Content-Type: text/plain; charset=utf-8

Gina accepted.
--b4
Content-Type: text/calendar; method=REPLY; charset=utf-8

BEGIN:VCALENDAR
END:VCALENDAR
--b4--
""")

STRANGE = crlf("""
From: "Broken, <gina@globex.test>
To: undisclosed-recipients:;
Cc: Group: a@globex.test, B <b@globex.test>;
Subject:
Date: yesterday
Message-ID: not an id
In-Reply-To: Your message of Monday <offer-1@acme.test>
MIME-Version: 1.0
Content-Type: text/plain; charset=x-unknown
Content-Transfer-Encoding: base64

R3LDvMOfZQ==
""")

BARE = crlf("""
From: gina@globex.test

No subject, no date, no id.
""")

ON_BEHALF = crlf("""
From: Only A Name
Sender: Gina Globex <gina@globex.test>
Sender: second@globex.test
To: ana@acme.test
To: team@acme.test
Subject: =?utf-8?q?Caf=C3=A9?=
\tand =?iso-8859-1?q?cr=E8me?=
Date: Mon, 2 Mar 2026 08:59 +0000
Message-ID: <behalf-1@globex.test>
X-Auto-Response-Suppress: All
List-Unsubscribe: <mailto:leave@globex.test>

Hello
""")

LARGE = 700_001  # bytes


def with_file(name: str, content: bytes) -> bytes:
    return crlf(f"""
From: gina@globex.test
To: ana@acme.test
Subject: A file
Date: Mon, 02 Mar 2026 08:59:00 +0000
Message-ID: <{name}@globex.test>
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary="b5"

--b5
Content-Type: text/plain; charset=us-ascii

Here it is.
--b5
Content-Type: application/octet-stream
Content-Transfer-Encoding: base64
Content-Disposition: attachment; filename="{name}"

{encoded(content)}
--b5--
""")


def large() -> bytes:
    """A message with a file of LARGE bytes that no two pieces of are alike."""
    return with_file("large.bin", random.Random(1).randbytes(LARGE))


AUTOMATIC = crlf("""
Return-Path: <cleo@globex.test>
From: Cleo <cleo@globex.test>
To: ana@acme.test
Subject: Out of office Re: Offer
Date: Mon, 02 Mar 2026 08:59:00 +0000
Message-ID: <away-1@globex.test>
In-Reply-To: <offer-1@acme.test>
Auto-Submitted: auto-replied (vacation)
X-Autoreply: yes
X-Precedence: auto_reply
X-Auto-Response-Suppress: All
X-Failed-Recipients: nobody@globex.test
List-Post: NO
Content-Class: urn:content-classes:message

Away until Monday.
""")

X_AUTORESPOND = crlf("""
From: cleo@globex.test
To: ana@acme.test
Subject: I got your mail
Date: Mon, 02 Mar 2026 08:59:00 +0000
Message-ID: <away-2@globex.test>
X-Autorespond: I got your mail

Thank you.
""")

AUTHENTICATED = crlf("""
Authentication-Results: mx.acme.test;
       dkim=pass header.i=@acme.test header.s=x;
       dmarc=pass (p=NONE sp=QUARANTINE dis=NONE) header.from=acme.test
Received: from mail.acme.test by mx.acme.test; Mon, 02 Mar 2026 08:59:01 +0000
Authentication-Results: mx.acme.test; dmarc=fail header.from=acme.test
From: ben@acme.test
To: cleo@globex.test
Subject: Quote
Date: Mon, 02 Mar 2026 08:59:00 +0000
Message-ID: <authenticated-1@acme.test>

Here it is.
""")

SAMPLES = {
    "plain": PLAIN,
    "encoded headers": ENCODED_HEADERS,
    "latin": LATIN,
    "html only": HTML_ONLY,
    "alternative": ALTERNATIVE,
    "files": FILES,
    "forwarded": FORWARDED,
    "bounce": BOUNCE,
    "calendar": CALENDAR,
    "strange": STRANGE,
    "on behalf": ON_BEHALF,
    "automatic reply": AUTOMATIC,
    "autorespond": X_AUTORESPOND,
    "authenticated": AUTHENTICATED,
    "bare": BARE,
}
