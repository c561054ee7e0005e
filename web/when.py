"""Times for people: relative, with the exact time and zone on hover."""

from datetime import datetime, timedelta

from markupsafe import Markup

from crm.times import utc

_STEPS = (
    (timedelta(hours=1), timedelta(minutes=1), "min"),
    (timedelta(days=1), timedelta(hours=1), "h"),
    (timedelta(days=7), timedelta(days=1), "day"),
)


def relative(then: datetime, now: datetime) -> str:
    """ "just now", "4 min ago", "in 2 days"; a date when it is more than a week away."""
    distance = abs(now - then)
    if distance < timedelta(minutes=1):
        return "just now" if then <= now else "in a moment"
    for limit, unit, name in _STEPS:
        if distance < limit:
            count = distance // unit
            words = f"{count} {name}{'s' if name == 'day' and count > 1 else ''}"
            return f"{words} ago" if then <= now else f"in {words}"
    return f"{then.day} {then:%b}" + ("" if then.year == now.year else f" {then.year}")


def exact(then: datetime) -> str:
    """The whole time with its zone: "Mon 2 Mar 2026, 09:00:05 UTC"."""
    return f"{then:%a} {then.day} {then:%b %Y, %H:%M:%S} UTC"


def tag(then: datetime | None, now: datetime, missing: str = "never") -> Markup:
    """A <time> element; `static/app.js` keeps it up to date and adds the reader's own zone."""
    if then is None:
        return Markup("<span>{}</span>").format(missing)
    then = utc(then)
    return Markup('<time datetime="{}" title="{}" data-relative>{}</time>').format(
        then.isoformat(timespec="seconds"), exact(then), relative(then, now)
    )
