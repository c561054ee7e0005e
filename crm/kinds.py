"""What sort of message it is: written by a person, or by a machine, and by which sort of machine."""

import re

from crm.model import Headers, Kind

_BOUNCERS = frozenset({"mailer-daemon", "mail-daemon", "postmaster"})
_BULK = frozenset({"bulk", "list", "junk"})
_AUTO_PRECEDENCE = frozenset({"auto_reply", "auto-reply"})
_AUTO_SUBJECT = re.compile(
    r"\s*(?:automatic reply|auto(?:matic)?[ -]?(?:reply|response|antwort)|out of (?:the )?office"
    r"|automatische antwort|abwesenheitsnotiz|abwesend|réponse automatique|absence du bureau"
    r"|respuesta automática|risposta automatica|resposta automática|automatisch antwoord"
    r"|autosvar|automatiskt svar|automatisk svar|odpowiedź automatyczna|automatyczna odpowiedź"
    r"|automaattinen vastaus|автоответ|自动答复|自动回复|自動回覆|自動返信)\b",
    re.IGNORECASE,
)


def kind(headers: Headers) -> Kind:
    """The kind by the headers alone (rule `automatic`); an ordinary new e-mail is `reply` too.

    Order matters: a delivery report is also auto-submitted, and an auto-reply also has an empty
    Return-Path (RFC 3834 section 3.3).
    """
    if _bounce(headers):
        return Kind.BOUNCE
    if headers.signs.content_type.lower().startswith("text/calendar"):
        return Kind.CALENDAR
    if _auto_reply(headers):
        return Kind.AUTO_REPLY
    if headers.signs.return_path is not None and headers.signs.return_path.strip() in {"", "<>"}:
        return Kind.BOUNCE
    return Kind.LIST if _list(headers) else Kind.REPLY


def _bounce(headers: Headers) -> bool:
    content_type = headers.signs.content_type.lower()
    report = content_type.startswith("multipart/report") and "delivery-status" in content_type
    local = headers.sender.address.partition("@")[0]
    return report or (local in _BOUNCERS and not headers.signs.list_id)


def _auto_reply(headers: Headers) -> bool:
    signs = headers.signs
    submitted = signs.auto_submitted.partition(";")[0].strip().lower()
    if submitted and submitted != "no":
        return True
    if signs.precedence.strip().lower() in _AUTO_PRECEDENCE:
        return True
    if signs.content_type.lower().startswith("multipart/report"):
        return True  # a read receipt
    # Newsletters carry X-Auto-Response-Suppress as well, so it proves nothing without the subject.
    return bool(_AUTO_SUBJECT.match(headers.subject)) and not _list(headers)


def _list(headers: Headers) -> bool:
    signs = headers.signs
    return bool(
        signs.list_id or signs.list_unsubscribe or signs.precedence.strip().lower() in _BULK
    )
