"""Forwarded mail that the corpus lacks: other programs, other languages, and tricks.

Each case is a text with what should be found; no sender stands for nothing found: better nobody
than somebody else.
"""

from dataclasses import dataclass

CLEO = "cleo@globex.test"
FROM = "Cleo Roe <cleo@globex.test>"
BODY = "We take twelve.\n\nCleo"


@dataclass(frozen=True, slots=True)
class Case:
    name: str
    text: str
    sender: str = CLEO
    subject: str = "Fwd: Offer"
    display: str | None = "Cleo Roe"  # None: not looked at
    about: str = "Offer"
    day: str = ""  # ISO, '' not looked at
    to: tuple[str, ...] | None = None
    html: bool = False  # the text is HTML, and there is no other


def head(separator: str, *lines: str, body: str = BODY) -> str:
    return "\n".join([*([separator] if separator else []), *lines, "", body])


def quoted(text: str) -> str:
    return "\n".join(f"> {line}".rstrip() for line in text.split("\n"))


def gmail(**fields: str) -> str:
    lines = {
        "From": FROM,
        "Date": "Mon, Mar 2, 2026 at 9:31 AM",
        "Subject": "Offer",
        "To": "<ana@ourcompany.test>",
    } | fields
    return head(
        "---------- Forwarded message ---------",
        *(f"{name}: {value}" for name, value in lines.items()),
    )


def outlook(**fields: str) -> str:
    lines = {
        "From": FROM,
        "Sent": "Monday, March 2, 2026 9:31 AM",
        "To": "Ana <ana@ourcompany.test>",
        "Subject": "Offer",
    } | fields
    return head("", *(f"{name}: {value}" for name, value in lines.items()))


def nobody(name: str, text: str, subject: str = "Fwd: Offer", html: bool = False) -> Case:
    return Case(name, text, sender="", subject=subject, html=html)


# fmt: off
CLIENTS = [
    Case("Zoho Mail", head("============ Forwarded message ============", f"From: {FROM}", "To: <ana@ourcompany.test>", "Date: Mon, 02 Mar 2026 09:31:00 +0100", "Subject: Offer", "============ Forwarded message ============"), day="2026-03-02", to=("ana@ourcompany.test",)),
    Case("ProtonMail", head("------- Forwarded Message -------", f"From: {FROM}", "Date: On Monday, March 2nd, 2026 at 9:31 AM", "Subject: Offer", "To: ana@ourcompany.test <ana@ourcompany.test>"), day="2026-03-02", to=("ana@ourcompany.test",)),
    Case("ProtonMail with typographic dashes", head("‐‐‐‐‐‐‐ Forwarded Message ‐‐‐‐‐‐‐", f"From: {FROM}", "Date: Monday, March 2, 2026 9:31 AM", "Subject: Offer", "To: ana@ourcompany.test")),
    Case("Mail.ru", head("-------- Пересылаемое сообщение --------", f"От кого: {FROM}", "Кому: ana@ourcompany.test", "Дата: понедельник, 2 марта 2026, 9:31 +03:00", "Тема: Offer"), day="2026-03-02", to=("ana@ourcompany.test",)),
    Case("Yandex", head("-------- Пересылаемое сообщение --------", '02.03.2026, 12:46, "Cleo Roe" <cleo@globex.test>:', body=f"{BODY}\n\n-------- Конец пересылаемого сообщения --------"), day="2026-03-02"),
    Case("Spark", head("---------- Forwarded message ----------", f"From: {FROM}", "Date: Mar 2, 2026, 9:31 AM +0100", "To: ana@ourcompany.test", "Subject: Offer"), day="2026-03-02"),
    Case("Samsung Email", head("-------- Original message --------", f"From: {FROM}", "Date: 27/02/2026 09:31 (GMT+01:00)", "To: ana@ourcompany.test", "Subject: Offer"), day="2026-02-27"),
    Case("eM Client", head("------ Forwarded Message ------", 'From: "Cleo Roe" <cleo@globex.test>', 'To: "Ana" <ana@ourcompany.test>', "Sent: 3/22/2026 9:31:00 AM", "Subject: Offer"), day="2026-03-22"),
    Case("eM Client with Original Message", head("------ Original Message ------", 'From: "Cleo Roe" <cleo@globex.test>', "To: ana@ourcompany.test", "Sent: 22.03.2026 09:31:00", "Subject: Offer"), day="2026-03-22"),
    Case("Windows Mail", head("", "From: Cleo Roe", "<mailto:cleo@globex.test>", "Sent: Monday, March 2, 2026 9:31 AM", "To: Ana <mailto:ana@ourcompany.test>", "Subject: Offer"), subject="FW: Offer", to=("ana@ourcompany.test",)),
    Case("Outlook on the web", "________________________________\n" + outlook(), subject="Fw: Offer", day="2026-03-02", to=("ana@ourcompany.test",)),
    Case("Outlook for the desktop, no separator", f"Please log.\n\n{outlook()}", subject="FW: Offer"),
    Case("Outlook for iOS", "Get Outlook for iOS<https://aka.ms/o0ukef>\n________________________________\n" + outlook(), subject="Fw: Offer"),
    Case("Outlook with bold labels", outlook().replace("From:", "*From:*").replace("Sent:", "*Sent:*").replace("To:", "*To:*").replace("Subject:", "*Subject:*"), subject="FW: Offer"),
    Case("Outlook with mailto links", outlook(From="Cleo Roe <cleo@globex.test<mailto:cleo@globex.test>>", To="Ana <ana@ourcompany.test<mailto:ana@ourcompany.test>>; Ben <ben@ourcompany.test<mailto:ben@ourcompany.test>>"), subject="FW: Offer", to=("ana@ourcompany.test", "ben@ourcompany.test")),
    Case("Outlook 2010 with [mailto:]", outlook(From="Cleo Roe [mailto:cleo@globex.test]"), subject="FW: Offer"),
    Case("Outlook with Importance and Attachments", outlook(From=FROM, Importance="High", Attachments="offer.pdf"), subject="FW: Offer"),
    Case("Outlook with an empty line between fields", outlook().replace("\nSent", "\n\nSent").replace("\nTo", "\n\nTo").replace("\nSubject", "\n\nSubject"), subject="FW: Offer"),
    Case("Outlook for Mac by a sentence", f'On 02/03/2026, 09:31, "Cleo Roe" <cleo@globex.test> wrote:\n\n    {BODY}', subject="FW: Offer"),
    Case("Lotus Notes", head("----- Forwarded by Ana Poe/OurCompany on 02/03/2026 09:31 -----", "", f"From:\t{FROM}", "To:\tana@ourcompany.test", "Cc:", "Date:\t27/02/2026 09:31", "Subject:\tOffer"), day="2026-02-27"),
    Case("Apple Mail, quoted", quoted(head("Begin forwarded message:", "", f"From: {FROM}", "Subject: Offer", "Date: March 2, 2026 at 9:31:00 AM GMT+1", "To: ana@ourcompany.test")), day="2026-03-02"),
    Case("Apple Mail on a phone", "Sent from my iPhone\n\n" + head("Begin forwarded message:", "", f"> From: {FROM}", "> Date: 2 March 2026 at 09:31:00 CET", "> To: ana@ourcompany.test", "> Subject: Offer", body=quoted(BODY)), day="2026-03-02"),
    Case("Apple Mail with Reply-To", quoted(head("Begin forwarded message:", "", f"From: {FROM}", "Subject: Offer", "Reply-To: Robot <noreply@globex.test>", "To: ana@ourcompany.test"))),
    Case("Thunderbird with all headers", head("-------- Forwarded Message --------", "Return-Path: <bounce@globex.test>", "Delivered-To: ana@ourcompany.test", "Received: from mx.globex.test by mx.ourcompany.test", "Subject: Offer", "Date: Mon, 2 Mar 2026 09:31:00 +0100", f"From: {FROM}", "Reply-To: other@globex.test", "To: ana@ourcompany.test", "Message-ID: <r1@globex.test>"), day="2026-03-02"),
    Case("Yahoo in lines", head("----- Forwarded Message -----", f"From: {FROM}", 'To: "ana@ourcompany.test" <ana@ourcompany.test>', "Sent: Monday, March 2, 2026 at 09:31:00 AM GMT+1", "Subject: Offer"), subject="Fw: Offer", day="2026-03-02"),
    Case("HubSpot", head("---------- Forwarded message ---------", f"From: {FROM}", "Date: Monday, March 2, 2026, 5:55:44 PM -0400", "Subject: Offer", "To: ana@ourcompany.test"), day="2026-03-02"),
    Case("MailMate", f"Forwarded message:\n\n> From: {FROM}\n> To: ana@ourcompany.test\n> Subject: Offer\n> Date: Mon, 2 Mar 2026 09:31:00 +0000\n>\n{quoted(BODY)}"),
    Case("mutt", head("----- Forwarded message from Cleo Roe <cleo@globex.test> -----", "Date: Mon, 2 Mar 2026 09:31:00 +0000", f"From: {FROM}", "To: ana@ourcompany.test", "Subject: Offer", body=f"{BODY}\n\n----- End forwarded message -----")),
    Case("Alpine", head("---------- Forwarded message ----------", "Date: Mon, 2 Mar 2026 09:31:00 +0000", f"From: {FROM}", "To: ana@ourcompany.test", "Subject: Offer"), subject="Offer (fwd)"),
    Case("Evolution", head("-------- Forwarded Message --------", f"From: {FROM}", "To: ana@ourcompany.test", "Subject: Offer", "Date: Mon, 02 Mar 2026 09:31:00 +0100"), subject="[Fwd: Offer]", day="2026-03-02"),
    Case("Roundcube", head("-------- Original Message --------", "Subject: Offer", "Date: 2026-03-02 09:31", f"From: {FROM}", "To: ana@ourcompany.test"), day="2026-03-02"),
    Case("Gmail as HTML", '<div>Please log</div><div class="gmail_quote"><div dir="ltr" class="gmail_attr">---------- Forwarded message ---------<br>From: <b class="gmail_sendername">Cleo Roe</b> <span>&lt;<a href="mailto:cleo@globex.test">cleo@globex.test</a>&gt;</span><br>Date: Mon, Mar 2, 2026 at 9:31 AM<br>Subject: Offer<br>To:  &lt;<a href="mailto:ana@ourcompany.test">ana@ourcompany.test</a>&gt;<br></div><br><br>We take twelve.</div>', html=True, day="2026-03-02", to=("ana@ourcompany.test",)),
    Case("Outlook as HTML", '<p>FYI</p><div style="border:none;border-top:solid #E1E1E1 1.0pt"><p class="MsoNormal"><b>From:</b> Cleo Roe &lt;cleo@globex.test&gt; <br><b>Sent:</b> Monday, March 2, 2026 9:31 AM<br><b>To:</b> Ana &lt;ana@ourcompany.test&gt;<br><b>Subject:</b> Offer<o:p></o:p></p></div><p>We take twelve.</p>', html=True, subject="FW: Offer", day="2026-03-02", to=("ana@ourcompany.test",)),
    Case("Thunderbird as HTML", '<p>log it</p><div class="moz-forward-container">-------- Forwarded Message --------<table><tbody><tr><th align="RIGHT">Subject: </th><td>Offer</td></tr><tr><th>Date: </th><td>Mon, 2 Mar 2026 09:31:00 +0100</td></tr><tr><th>From: </th><td>Cleo Roe <a href="mailto:cleo@globex.test">&lt;cleo@globex.test&gt;</a></td></tr><tr><th>To: </th><td>ana@ourcompany.test</td></tr></tbody></table>We take twelve.</div>', html=True, day="2026-03-02", to=("ana@ourcompany.test",)),
    Case("Apple Mail as HTML", '<div>FYI<blockquote type="cite"><div>Begin forwarded message:</div><br><div><b>From: </b>Cleo Roe &lt;<a href="mailto:cleo@globex.test">cleo@globex.test</a>&gt;<br></div><div><b>Subject: </b><b>Offer</b><br></div><div><b>Date: </b>2 March 2026 at 09:31:00 CET<br></div><div><b>To: </b>ana@ourcompany.test<br></div><br><div>We take twelve.</div></blockquote></div>', html=True, day="2026-03-02"),
]

LANGUAGES = [
    Case("Chinese Outlook", head("", f"发件人: {FROM}", "发送时间: 2026年3月2日 9:31", "收件人: ana@ourcompany.test", "主题: Offer"), subject="转发: Offer", day="2026-03-02", to=("ana@ourcompany.test",)),
    Case("Chinese NetEase", head("-------- 转发邮件信息 --------", f"发件人：{FROM}", "发送日期：2026-03-02 09:31:00", "收件人：ana@ourcompany.test", "主题：Offer"), day="2026-03-02"),
    Case("Taiwanese Outlook", head("", f"寄件者: {FROM}", "寄件日期: 2026年3月2日 下午 09:31", "收件者: ana@ourcompany.test", "主旨: Offer"), subject="轉寄: Offer", day="2026-03-02"),
    Case("Japanese Outlook", head("", f"差出人: {FROM}", "送信日時: 2026年3月2日 9:31", "宛先: ana@ourcompany.test", "件名: Offer"), subject="FW: Offer", day="2026-03-02", to=("ana@ourcompany.test",)),
    Case("Korean Outlook", head("", f"보낸 사람: {FROM}", "보낸 날짜: 2026년 3월 2일 월요일 오전 9:31", "받는 사람: ana@ourcompany.test", "제목: Offer"), subject="FW: Offer", day="2026-03-02", to=("ana@ourcompany.test",)),
    Case("Greek Outlook", head("", f"Από: {FROM}", "Στάλθηκε: Δευτέρα, 2 Μαρτίου 2026 9:31 πμ", "Προς: ana@ourcompany.test", "Θέμα: Offer"), subject="ΠΡΘ: Offer", day="2026-03-02", to=("ana@ourcompany.test",)),
    Case("Hebrew Outlook", head("", f"מאת: {FROM}", "נשלח: יום שני 02 מרץ 2026 09:31", "אל: ana@ourcompany.test", "נושא: Offer"), subject="FW: Offer"),
    Case("Arabic Outlook", head("", f"من: {FROM}", "تم الإرسال: 2026-03-02 09:31", "إلى: ana@ourcompany.test", "الموضوع: Offer"), subject="FW: Offer"),
    Case("Vietnamese Outlook", head("", f"Từ: {FROM}", "Đã gửi: 2026-03-02 09:31", "Đến: ana@ourcompany.test", "Chủ đề: Offer"), subject="FW: Offer"),
    Case("Indonesian Outlook", head("", f"Dari: {FROM}", "Dikirim: 2 Maret 2026 09:31", "Kepada: ana@ourcompany.test", "Subjek: Offer"), subject="FW: Offer", day="2026-03-02"),
    Case("Bulgarian Outlook", head("", f"От: {FROM}", "Изпратено: 2 март 2026 г. 9:31", "До: ana@ourcompany.test", "Относно: Offer"), subject="FW: Offer", day="2026-03-02"),
    Case("Ukrainian Outlook", head("", f"Від: {FROM}", "Відправлено: 2 березня 2026 р. 9:31", "Кому: ana@ourcompany.test", "Тема: Offer"), subject="FW: Offer", day="2026-03-02"),
    Case("Slovenian Outlook", head("", f"Od: {FROM}", "Poslano: ponedeljek, 02. marec 2026 09:31", "Za: ana@ourcompany.test", "Zadeva: Offer"), subject="FW: Offer", day="2026-03-02"),
    Case("Lithuanian Outlook", head("", f"Nuo: {FROM}", "Išsiųsta: 2026-03-02 09:31", "Kam: ana@ourcompany.test", "Tema: Offer"), subject="FW: Offer", day="2026-03-02"),
    Case("Icelandic Outlook", head("", f"Frá: {FROM}", "Sent: 2. mars 2026 09:31", "Til: ana@ourcompany.test", "Efni: Offer"), subject="FW: Offer", day="2026-03-02"),
    Case("French Outlook with spaces before colons", head("", f"De : {FROM}", "Envoyé : lundi 2 mars 2026 09:31", "À : Ana <ana@ourcompany.test>", "Objet : Offer"), subject="TR: Offer", day="2026-03-02", to=("ana@ourcompany.test",)),
    Case("German Outlook", head("", f"Von: {FROM}", "Gesendet: Montag, 2. März 2026 09:31", "An: Ana <ana@ourcompany.test>", "Betreff: Offer"), subject="WG: Offer", day="2026-03-02"),
    Case("Polish Outlook", head("", f"Od: {FROM}", "Wysłano: poniedziałek, 2 marca 2026 09:31", "Do: Ana <ana@ourcompany.test>", "Temat: Offer"), subject="PD: Offer", day="2026-03-02"),
    Case("Brazilian Gmail", head("---------- Forwarded message ---------", f"De: {FROM}", "Date: seg., 2 de mar. de 2026 às 09:31", "Subject: Offer", "To: <ana@ourcompany.test>"), subject="Enc: Offer", day="2026-03-02"),
    Case("Turkish Outlook", head("", f"Kimden: {FROM}", "Gönderildi: 2 Mart 2026 Pazartesi 09:31", "Kime: ana@ourcompany.test", "Konu: Offer"), subject="İLT: Offer"),
]

TRICKS = [
    Case("of two forwards the outer one is meant", gmail() .replace("We take twelve.", gmail(From="Dora <dora@globex.test>"))),
    Case("a chain below the forwarded message is part of it", f"{outlook()}\n\n{outlook(From='Dora <dora@globex.test>')}", subject="FW: Offer"),
    Case("a Gmail forward within an Outlook forward", f"{outlook()}\n\n{gmail(From='Dora <dora@globex.test>')}", subject="FW: Offer"),
    Case("a name that is another address", gmail(From='"dora@globex.test" <cleo@globex.test>'), display="dora@globex.test"),
    Case("a bare name that is another address", gmail(From="dora@globex.test <cleo@globex.test>"), display=None),
    Case("a quoted name with an address in brackets", gmail(From='"Cleo <dora@globex.test>" <cleo@globex.test>'), display=None),
    Case("a name with commas and quotes", gmail(From='"Roe, Cleo (Globex)" <cleo@globex.test>'), display="Roe, Cleo (Globex)"),
    Case("a name with a comma, not quoted", outlook(From="Roe, Cleo <cleo@globex.test>"), subject="FW: Offer", display="Roe, Cleo"),
    Case("an address alone", gmail(From="cleo@globex.test"), display=""),
    Case("an address in brackets alone", gmail(From="<cleo@globex.test>"), display=""),
    Case("an address with capitals and a name behind it", gmail(From="Cleo@Globex.TEST (Cleo Roe)"), display=None),
    Case("an IDN address", gmail(From="Jörg <jörg@bücher.test>"), sender="jörg@xn--bcher-kva.test", display="Jörg"),
    Case("many recipients, folded", gmail(To="Ana <ana@ourcompany.test>,\n  Ben <ben@ourcompany.test>,\n  Doe, Jane <jane@globex.test>"), to=("ana@ourcompany.test", "ben@ourcompany.test", "jane@globex.test")),
    Case("recipients with semicolons and addresses for names", outlook(To="ana@ourcompany.test <ana@ourcompany.test>; 'ben@ourcompany.test' <ben@ourcompany.test>"), subject="FW: Offer", to=("ana@ourcompany.test", "ben@ourcompany.test")),
    Case("a note and a signature with addresses above", f"Log this for dora@globex.test please.\n\n--\nAna\nTel: +1 555\nMobile: +1 556\nMail: ana@ourcompany.test\nWeb: ourcompany.test\n\n{gmail()}"),
    Case("the forwarder's own linked address in the signature", f"Ana\nTel: +1 555\nMobile: +1 556\nMail: ana@ourcompany.test<mailto:ana@ourcompany.test>\n\n{outlook()}", subject="FW: Offer"),
    Case("a forward of an answer", gmail(Subject="Re: Offer"), subject="Fwd: Re: Offer", about="Re: Offer"),
    Case("a subject without a mark", outlook(), subject="Offer from Globex"),
    Case("no subject line at all", head("---------- Forwarded message ---------", f"From: {FROM}", "Date: Mon, Mar 2, 2026 at 9:31 AM"), about="Offer"),
    Case("a colon in the subject", gmail(Subject="From: us, To: you"), about="From: us, To: you"),
    Case("Windows line ends and hard spaces", gmail().replace("\n", "\r\n").replace(": ", ":\xa0")),
    Case("a date that may be two days", gmail(Date="02/10/2026 09:31"), day="none"),
    Case("a mailing list in between", gmail(From="'Cleo Roe' via Sales <sales@ourcompany.test>"), sender="sales@ourcompany.test", display=None),
    nobody("Outlook's From without an address", outlook(From="Cleo Roe"), subject="FW: Offer"),
    nobody("a From without an address above one with", f"{outlook(From='Cleo Roe')}\n\n{outlook(From='Dora <dora@globex.test>')}", subject="FW: Offer"),
    nobody("an Exchange address", outlook(From="Cleo Roe </O=GLOBEX/OU=EXCHANGE/CN=CLEO>"), subject="FW: Offer"),
    nobody("one on behalf of another", outlook(From="Dora <dora@globex.test> on behalf of Cleo <cleo@globex.test>"), subject="FW: Offer"),
    nobody("one on behalf of another, in German", outlook(From="Dora <dora@globex.test> im Auftrag von Cleo"), subject="WG: Offer"),
    nobody("two addresses in From", gmail(From="Cleo <cleo@globex.test>, Dora <dora@globex.test>")),
    nobody("two bare addresses in From", gmail(From="cleo@globex.test dora@globex.test")),
    nobody("an answer with the history below", f"Thanks!\n\n{outlook()}", subject="RE: Offer"),
    nobody("an answer to a forward", f"Thanks!\n\n________________________________\n{outlook(From='Ben <ben@ourcompany.test>')}\n\n{gmail()}", subject="Re: Fwd: Offer"),
    nobody("an answer in Gmail to a forward", f"Thanks!\n\nOn Mon, Mar 2, 2026 at 9:31 AM Ben <ben@ourcompany.test> wrote:\n\n{quoted(gmail())}", subject="Re: Fwd: Offer"),
    nobody("an answer in Gmail", f"Thanks!\n\nOn Mon, Mar 2, 2026 at 9:31 AM Cleo <cleo@globex.test>\nwrote:\n\n{quoted(BODY)}", subject="Re: Offer"),
    nobody("an answer without a mark in the subject", f"Thanks!\n\nOn Mon, Mar 2, 2026 at 9:31 AM Cleo <cleo@globex.test> wrote:\n\n{quoted(BODY)}", subject="Offer"),
    nobody("a sentence that names no address", f'On 02/03/2026 09:31, "Cleo Roe" wrote:\n\n{BODY}', subject="FW: Offer"),
    nobody("no forwarded message", "Please call cleo@globex.test about this.\n\nAna"),
    nobody("a note that begins with From", "From: the whole team, thanks!\n\nTo: many more years"),
    nobody("the words alone", "I got a forwarded message from Cleo <cleo@globex.test> today."),
    nobody("the separator alone", f"---------- Forwarded message ---------\n\n{BODY}"),
    nobody("a head in a language that is not known, above one that is", f"Avsändarens namn: Cleo Roe <cleo@globex.test>\nLähetetty jotain: 2.3.2026\nKenelle: ana@ourcompany.test\nMikä: Offer\n\n{BODY}\n\n{outlook(From='Dora <dora@globex.test>')}", subject="FW: Offer"),
    nobody("a separator in a language that is not known, above one that is", f"-------- Skilaboð sem ekki þekkjast --------\nXyz {FROM}\n\n{gmail(From='Dora <dora@globex.test>')}"),
    nobody("an older Notes form without labels", "----- Forwarded by Ana Poe/OurCompany on 02/03/2026 09:31 -----\n\nCleo Roe\n27/02/2026 09:31\n\nTo\nana@ourcompany.test\ncc\n\nSubject\nOffer\n\nWe take twelve."),
    nobody("GroupWise, answered", f">>> Cleo Roe <cleo@globex.test> 3/2/2026 9:31 AM >>>\n{BODY}", subject="Re: Offer"),
    nobody("an address without a domain", gmail(From="Cleo <cleo@localhost>")),
    nobody("an empty message", ""),
]
# fmt: on

CASES = [*CLIENTS, *LANGUAGES, *TRICKS]
