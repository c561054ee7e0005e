"""What mail programs put in front of a subject, by language: a table to read and to add to.

`reply` and `forward` are the marks of Outlook, Lotus Notes, Yahoo, Apple Mail, Thunderbird, GroupWise,
Seznam, abv.bg and others in that language; Gmail and most programs for phones write Re and Fwd
everywhere. `automatic` is what Exchange and vacation programs write in front of what they answer.
Words are separated by commas; case, width and a full stop at the end make no difference.

Gathered from RFC 5256 and RFC 5230, Wikipedia's "List of email subject abbreviations", the test
mail of email-forward-parser, the patterns of flanker, qreu and enough_mail, and Exchange's own words
as they are seen in mail.
"""

from typing import NamedTuple


class Marks(NamedTuple):
    """The marks of one language."""

    reply: str = ""
    forward: str = ""
    automatic: str = ""


MARKS: dict[str, Marks] = {
    "English": Marks(
        "Re",
        "Fw, Fwd",
        "Automatic reply, Automated reply, Auto reply, Auto-reply, Autoreply, Automatic response, "
        "Auto response, Auto-response, Autoresponse, Autoresponder, Out of office, Out of the office, "
        "Out of office reply, Out of office autoreply, Out of office auto-reply, Out-of-office",
    ),
    "Sieve and other servers": Marks("Auto"),  # RFC 5230, section 4.4
    "Afrikaans": Marks(automatic="Outomatiese antwoord"),
    "Albanian": Marks(automatic="Përgjigje automatike"),
    "Arabic": Marks("رد", "إعادة توجيه", "رد تلقائي, الرد التلقائي, خارج المكتب"),
    "Armenian": Marks(automatic="Ավտոմատ պատասխան, Ինքնաշխատ պատասխան"),
    "Azerbaijani": Marks(automatic="Avtomatik cavab"),
    "Basque": Marks(automatic="Erantzun automatikoa"),
    "Bengali": Marks(automatic="স্বয়ংক্রিয় উত্তর"),
    "Bosnian": Marks("Odg", "Prosl", "Automatski odgovor"),
    "Bulgarian": Marks("Отг, Отговор", "Препр, Препратено", "Автоматичен отговор, Извън офиса"),
    "Catalan": Marks("Resp", "RV", "Resposta automàtica, Fora de l'oficina"),
    "Chinese, simplified": Marks("回复, 答复", "转发", "自动答复, 自动回复"),
    "Chinese, traditional": Marks("回覆, 回復, 答覆", "轉寄, 轉發", "自動回覆, 自動答覆"),
    "Croatian": Marks("Odg, Odgovor", "Prosl, Proslijeđeno", "Automatski odgovor"),
    "Czech": Marks("Odp, Odpověď", "Přeposláno", "Automatická odpověď, Mimo kancelář"),
    "Danish": Marks(
        "SV, Svar", "VS, Videresend, Videresendt", "Automatisk svar, Autosvar, Fraværende"
    ),
    "Dutch": Marks(
        "Antw, Antwoord",
        "Doorst, Doorgestuurd",
        "Automatisch antwoord, Afwezigheidsbericht, Afwezig, Niet aanwezig",
    ),
    "Esperanto": Marks(automatic="Aŭtomata respondo"),
    "Estonian": Marks("VS", "Edasi", "Automaatvastus, Automaatne vastus"),
    "Filipino": Marks(automatic="Awtomatikong tugon"),
    "Finnish": Marks(
        "VS, Vast, Vastaus", "VL, Välitetty", "Automaattinen vastaus, Poissa, Poissaoloilmoitus"
    ),
    "French": Marks(
        "RE, Réf, Ref, Rép, Rep, Réponse",
        "TR, Transfert",
        "Réponse automatique, Absence du bureau, Message d'absence, Absent du bureau, "
        "Réponse automatique d'absence du bureau",
    ),
    "Galician": Marks("Resp", "RV", "Resposta automática"),
    "Georgian": Marks(automatic="ავტომატური პასუხი"),
    "German": Marks(
        "AW, Antwort",
        "WG, Weitergeleitet",
        "Automatische Antwort, Autom. Antwort, Auto-Antwort, Abwesenheitsnotiz, "
        "Abwesenheitsnachricht, Abwesenheitsmeldung, Abwesenheit, Abwesend",
    ),
    "Greek": Marks("ΑΠ, ΣΧΕΤ, Απάντηση", "ΠΡΘ, Προωθημένο", "Αυτόματη απάντηση"),
    "Hebrew": Marks("השב, תשובה", "העבר, הועבר", "תשובה אוטומטית, מענה אוטומטי, מחוץ למשרד"),
    "Hindi": Marks("उत्तर", "अग्रेषित", "स्वचालित उत्तर, स्वतः उत्तर"),
    "Hungarian": Marks("Vá, Válasz", "Továbbítás, Továbbítva", "Automatikus válasz, Házon kívül"),
    "Icelandic": Marks("SV, Svar", "FS, Framsent", "Sjálfvirkt svar"),
    "Indonesian": Marks("BLS, Balas, Balasan", "TRS, Terusan", "Balasan otomatis"),
    "Irish": Marks(automatic="Freagra uathoibríoch"),
    "Italian": Marks(
        "R, RIF, Risposta",
        "I, Inoltro, Inoltrato",
        "Risposta automatica, Fuori sede, Fuori ufficio",
    ),
    "Japanese": Marks("返信", "転送", "自動応答, 自動返信, 不在通知"),
    "Kazakh": Marks(automatic="Автоматты жауап"),
    "Korean": Marks("답장, 회신", "전달", "자동 회신, 자동 응답, 자동 답장"),
    "Latvian": Marks("ATB, Atbilde", "Pārs, Pārsūtīts", "Automātiska atbilde, Automātiskā atbilde"),
    "Lithuanian": Marks("ATS, Atsakymas", "Pers, Persiųsta", "Automatinis atsakymas"),
    "Macedonian": Marks("Одг", "Препр", "Автоматски одговор"),
    "Malay": Marks("BLS", "TRS", "Balasan automatik, Jawapan automatik"),
    "Norwegian": Marks(
        "SV, Svar",
        "VS, Videresend, Videresendt",
        "Automatisk svar, Autosvar, Fraværsmelding, Ikke på kontoret",
    ),
    "Persian": Marks("پاسخ", "ارسال مجدد", "پاسخ خودکار"),
    "Polish": Marks(
        "Odp, Odpowiedź",
        "PD, Przekazane",
        "Odpowiedź automatyczna, Automatyczna odpowiedź, Poza biurem",
    ),
    "Portuguese": Marks(
        "RES, Resp",
        "ENC, Encaminhado",
        "Resposta automática, Fora do escritório, Ausência temporária",
    ),
    "Romanian": Marks("Răsp, Răspuns", "Redir, Redirecționat, Redirecţionat", "Răspuns automat"),
    "Russian": Marks(
        "Отв, Ответ, НА", "Пересл, ПЕР", "Автоматический ответ, Автоответ, Автоответчик"
    ),
    "Serbian": Marks("Odg, Одг", "Prosl, Просл", "Automatski odgovor, Аутоматски одговор"),
    "Slovak": Marks("Odp, Odpoveď", "Preposlané", "Automatická odpoveď"),
    "Slovenian": Marks("Odg, Odgovor", "Posr, Posredovano", "Samodejni odgovor, Odsotnost"),
    "Spanish": Marks(
        "RES, Resp",
        "RV, Reenviado",
        "Respuesta automática, Fuera de la oficina, Fuera de oficina",
    ),
    "Swedish": Marks(
        "SV, Svar",
        "VB, Vidarebefordrat",
        "Automatiskt svar, Autosvar, Frånvarande, Frånvaromeddelande",
    ),
    "Tamil": Marks(automatic="தானியங்கு பதில்"),
    "Thai": Marks("ตอบ, ตอบกลับ", "ส่งต่อ", "ตอบกลับอัตโนมัติ, การตอบกลับอัตโนมัติ"),
    "Turkish": Marks(  # ılt: programs that do not know the dots of I write so
        "YNT, Yanıt, Yanit",
        "İLT, ılt, İlet",
        "Otomatik yanıt, Otomatik yanit, Otomatik cevap, Ofis dışında",
    ),
    "Ukrainian": Marks("Відп, Відповідь, НА", "Пересл, ПЕР", "Автоматична відповідь"),
    "Urdu": Marks(automatic="خودکار جواب"),
    "Vietnamese": Marks("Trả lời, TL", "Chuyển tiếp", "Trả lời tự động, Thư trả lời tự động"),
    "Welsh": Marks("ATB, Ateb", "YML", "Ateb awtomatig"),
}
