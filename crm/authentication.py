"""Whether a message is from whom it says it is: DMARC, as a trusted mail server has found it. Pure.

`authres` reads the header (RFC 8601); what strangers may have written in it is cut short first.
"""

import re
from collections.abc import Collection
from typing import Any

from authres import all_features

from crm.addresses import normalise_domain
from crm.model import Headers
from crm.text import one_line

_LONGEST = 4000  # characters; the library recompiles its patterns for every token
_COMMENT = re.compile(r"\([^()]*+\)")


def authentic(headers: Headers, trusted: Collection[str]) -> bool:
    """Whether the sender's domain passed DMARC, by the topmost Authentication-Results header of a
    trusted server; what stands below it anybody may have written. Never raises."""
    names = {one.casefold() for one in trusted}
    value = next((one for one in headers.authentication if authserv_id(one) in names), None)
    domain = headers.sender.domain
    return value is not None and bool(domain) and _passed(value, domain)


def authserv_id(value: str) -> str:
    """The server that an Authentication-Results header names, '' where it names none."""
    words = _COMMENT.sub(" ", one_line(value[:_LONGEST]).partition(";")[0]).split()
    named = words and "=" not in words[0]
    return words[0].strip('"').casefold() if named else ""


def _passed(value: str, domain: str) -> bool:
    if len(value) > _LONGEST:
        return False
    try:
        results = all_features().parse_value(one_line(value)).results
    except Exception:  # noqa: BLE001 - all sorts of errors, for what strangers wrote
        return False
    found = [one for one in results if str(one.method).casefold() == "dmarc"]
    return bool(found) and all(
        str(one.result).casefold() == "pass" and _domains(one.properties) == {domain}
        for one in found
    )


def _domains(properties: Collection[Any]) -> set[str]:
    """The domains for which it passed, each `header.from`."""
    return {
        normalise_domain(str(each.value).rpartition("@")[2])
        for each in properties
        if (str(each.type).casefold(), str(each.name).casefold()) == ("header", "from")
    }
