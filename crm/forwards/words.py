"""What mail programs write above a message that is forwarded, in the languages of their users.

The separators are those of `emailforwardparser`, tried on one short line at a time, and some more.
"""

import re
from enum import StrEnum
from functools import lru_cache

from crm.text import clean

LONGEST_LABEL = 32
_LONGEST_SEPARATOR = 120


class Field(StrEnum):
    """A line of the head that stands above a forwarded message."""

    FROM = "from"
    TO = "to"
    CC = "cc"
    DATE = "date"
    SUBJECT = "subject"
    MESSAGE_ID = "message-id"
    OTHER = "other"


_LABELS = {
    Field.FROM: "from|od|fra|von|de|lähettäjä|šalje|feladó|da|van|expeditorul|expeditor|отправитель"
    "|från|kimden|від кого|saatja|de la|gönderen|от|від|mittente|nadawca|送信元|от кого|pošiljatelj"
    "|sendandi|frá|siuntėjas|nuo|no|sūtītājs|από|remitente|remetente|avsender|afzender|absender"
    "|expéditeur|odesílatel|odosielateľ|差出人|发件人|寄件者|寄件人|發件人|보낸 사람|보낸사람|발신|מאת|من|ผู้ส่ง|từ"
    "|dari|daripada|подател|изпращач|od koga|šalje|wysłane przez",
    Field.TO: "to|komu|til|an|para|vastaanottaja|à|prima|címzett|a|aan|do|destinatarul|către|кому"
    "|pre|till|kime|pour|adresat|送信先|za|saaja|viðtakandi|kam|gavėjas|προς|宛先|收件人|收件者|받는 사람"
    "|받는사람|수신|אל|إلى|ถึง|đến|tới|kepada|до|получател|alıcı|empfänger|destinatario|destinatário"
    "|destinataire",
    Field.CC: "cc|kopie|kopio|másolat|kopi|dw|копия|kopia|bilgi|копія|másolatot kap|kópia|kopie (cc)"
    "|copie à|копие|kk|koopia|κοιν|κοινοποίηση|抄送|副本|참조|עותק|העתק|نسخة|kopija|скрытая копия|c.c.",
    Field.DATE: "date|datum|dato|envoyé|fecha|päivämäärä|dátum|data|dată|дата|tarih|sent|päiväys"
    "|日付|sendt|gesendet|enviado|lähetetty|elküldve|inviato|verzonden|wysłano|trimis|отправлено"
    "|odoslané|skickat|gönderilen|відправлено|odesláno|poslano|kuupäev|saadetud|dagsetning|išsiųsta"
    "|datums|nosūtīts|ημερομηνία|στάλθηκε|enviado el|enviada em|enviado em|送信日時|日時|发送时间|发送日期"
    "|日期|時間|时间|寄件日期|傳送時間|보낸 날짜|날짜|보낸시간|נשלח|תאריך|التاريخ|تاريخ|تم الإرسال|วันที่|ngày|đã gửi"
    "|tanggal|dikirim|изпратено|date d'envoi|gesendet am|gönderme tarihi|gönderildi",
    Field.SUBJECT: "subject|předmět|emne|betreff|asunto|aihe|objet|predmet|tárgy|oggetto|onderwerp"
    "|temat|assunto|subiectul|subiect|тема|ämne|konu|sujet|naslov|件名|teema|efni|tema|temats|θέμα"
    "|主题|主旨|主題|제목|נושא|الموضوع|เรื่อง|chủ đề|tiêu đề|perihal|subjek|относно|zadeva",
    Field.MESSAGE_ID: "message-id|internet message id",
    Field.OTHER: "reply-to|odgovori na|odpověď na|svar til|antwoord aan|vastaus|répondre à"
    "|antwort an|válaszcím|rispondi a|odpowiedź-do|responder a|răspuns către|ответ-кому"
    "|odpovedať-pre|svara till|yanıt adresi|кому відповісти|bcc|blindkopie|importance|priority"
    "|wichtigkeit|importancia|attachments|anlagen|pièces jointes|adjuntos|organization|organisation"
    "|sender|resent-from|mime-version|content-type|references|in-reply-to|return-path|received"
    "|list-id|x-mailer|user-agent|delivered-to|sensitivity|categories|priorità|importanza|vigtighed"
    "|reply to|size",
}

# More than the library knows; between rows of dashes, equals signs or underscores, or before a colon.
_FORWARDED = (
    "forwarded message|forwarded mail|forwarded e-mail|forwarded email|fwd message"
    "|begin forwarded message|start of forwarded message|start forwarded message"
    "|пересылаемое сообщение|пересланное сообщение|переадресованное сообщение"
    "|начало пересылаемого сообщения|forwarded message follows|message forwarded"
    "|转发邮件信息|转发的邮件|转发邮件|轉寄的郵件|轉寄郵件|轉寄訊息|転送されたメッセージ|転送メッセージ|전달된 메시지"
    "|전달된 메일|전달 메시지|הודעה שהועברה|הודעה מועברת|الرسالة المعاد توجيهها|رسالة معاد توجيهها"
    "|رسالة محولة|προωθημένο μήνυμα|препратено съобщение|edastatud kiri|edastatud sõnum"
    "|persiųstas laiškas|persiųsta žinutė|pārsūtīta ziņa|pārsūtītā vēstule|posredovano sporočilo"
    "|proslijeđena poruka|prosleđena poruka|thư được chuyển tiếp|tin nhắn được chuyển tiếp"
    "|pesan terusan|mesej dimajukan|ข้อความที่ส่งต่อ|áframsend skilaboð|weitergeleitete e-mail"
    "|weitergeleitete mail|message réacheminé|courriel transféré|messaggio inoltrato"
    "|mensaje reenviado|mensagem encaminhada|doorgestuurd bericht|doorgestuurde e-mail"
    "|videresendt e-mail|vidarebefordrat e-postmeddelande|przekazana wiadomość"
    "|wiadomość przekazana|přeposlaná zpráva|preposlaná správa|továbbított üzenet"
    "|iletilmiş mesaj|iletilen ileti|iletilen mesaj|переслане повідомлення"
).split("|")
_ORIGINAL = (
    "original message|original mail|original email|original e-mail|ursprüngliche nachricht"
    "|originalnachricht|ursprüngliche e-mail|message original|message d'origine|mensaje original"
    "|mensagem original|messaggio originale|oorspronkelijk bericht|origineel bericht"
    "|oprindelig meddelelse|opprinnelig melding|ursprungligt meddelande|originalmeddelande"
    "|alkuperäinen viesti|oryginalna wiadomość|wiadomość oryginalna|původní zpráva|pôvodná správa"
    "|eredeti üzenet|mesaj original|orijinal mesaj|özgün ileti|исходное сообщение"
    "|оригинальное сообщение|початкове повідомлення|原始邮件|原始郵件|邮件原件|元のメッセージ|원본 메시지"
    "|originalna poruka|αρχικό μήνυμα|оригинално съобщение|הודעה מקורית|الرسالة الأصلية"
).split("|")
_WROTE = (
    "wrote|writes|schrieb|escribió|escribio|a écrit|ha scritto|escreveu|geschreven|schreef|skrev"
    "|kirjoitti|napsal|napísal|napisał|написал|написав|пише|пишет|írta|yazdı|a scris|napisao|kirjutas"
    "|έγραψε|写道|寫道|のメール|작성|כתב|كتب|rašė|rakstīja|viết|följande"
).split("|")
_ON_BEHALF = re.compile(
    r"\b(?:on behalf of|im auftrag von|de la part de|en nombre de|em nome de|per conto di|namens"
    r"|på vegne af|på vegne av|w imieniu|jménem|v mene|megbízásából|от имени|від імені|adına)\b",
    re.IGNORECASE,
)
_RULE = "-=_*~—–‐−"  # what rows are drawn with
_FORWARDED_BY = re.compile(r"[-=_]{3,} ?forwarded (?:by|message from) .{1,80}[-=_]{2,}$")
_FIELD_LIKE = re.compile(r"[^\W\d_][^:：<(@]{0,25}[:：]\s{0,9}\S")
_UNDERSCORES = re.compile(r"_{20,}$")


def _plain(text: str) -> str:
    return " ".join(clean(text).casefold().replace("i\u0307", "i").split())


LABELS = {_plain(word): field for field, words in _LABELS.items() for word in words.split("|")}


def label(line: str) -> tuple[Field, str] | None:
    """The field that a line gives, and its value; None where it begins with no label."""
    head, colon, _ = line[: LONGEST_LABEL + 8].replace("：", ":").partition(":")
    if not colon:
        return None
    word = _plain(head.strip(" \t*_•|·\u200e\u200f\u202a\u202c"))
    field = LABELS.get(word)
    return (field, line[len(head) + 1 :].strip(" \t*_\u200e\u200f")) if field else None


def is_field_like(line: str) -> bool:
    """Whether a line looks like a field, with whatever label."""
    return bool(_FIELD_LIKE.match(line))


def after_separator(line: str) -> str | None:
    """What stands behind the words that say `forwarded` in this line, mostly ''; None without them."""
    text = _plain(line[: _LONGEST_SEPARATOR + 1])
    if _is_named(text, _known()) or _FORWARDED_BY.match(text):
        return ""
    bare = line.strip().replace("‐", "-").replace("—", "-").replace("–", "-")
    found = (pattern.match(bare[:_LONGEST_SEPARATOR]) for pattern in _library())
    return next((bare[match.end() :].strip() for match in found if match), None)


def is_original(line: str) -> bool:
    """Whether a line says that another message follows, be it answered or forwarded."""
    text = _plain(line)
    return bool(_UNDERSCORES.match(text)) or _is_named(text, _originals())


def is_wrote(line: str) -> bool:
    """Whether a line says who wrote what follows."""
    text = _plain(line)
    return text.endswith((":", "：")) and any(word in text for word in _WROTE)


def on_behalf(value: str) -> bool:
    """Whether one sends in the name of another."""
    return bool(_ON_BEHALF.search(value))


def _is_named(text: str, names: frozenset[str]) -> bool:
    """`text` is one of `names` between rows of the same character, or before a colon."""
    bare = text.strip(_RULE + " :：[]>")
    return bare in names and bare != text


@lru_cache(maxsize=1)
def _known() -> frozenset[str]:
    return frozenset(_plain(word) for word in _FORWARDED)


@lru_cache(maxsize=1)
def _originals() -> frozenset[str]:
    return frozenset(_plain(word) for word in _ORIGINAL)


@lru_cache(maxsize=1)
def _library() -> tuple[re.Pattern[str], ...]:
    """The library's separators that say `forwarded`: not its introductions, which are slow."""
    from emailforwardparser.regexs import SEPARATOR  # hundreds of patterns: compiled when needed

    plain = (one for one in SEPARATOR if ".+" not in one.pattern and "_{32}" not in one.pattern)
    return tuple(one for one in plain if "Original" not in one.pattern)
