"""Filters of our own: dates in the person's zone and language, money and numbers as people write them."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any
from zoneinfo import ZoneInfo

from liquid import RenderContext
from liquid.exceptions import FilterArgumentError
from liquid.filter import with_context
from liquid.undefined import Undefined

# Names by which rendering hands the person's zone and language to filters; a template cannot write a name with a space.
ZONE, LOCALE = "dangol zone", "dangol locale"

KO_MONTHS = tuple(f"{month}월" for month in range(1, 13))
KO_DAYS = ("월요일", "화요일", "수요일", "목요일", "금요일", "토요일", "일요일")
EN_MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip
EN_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
PLACES = {"KRW": 0, "JPY": 0, "VND": 0}  # digits after the point; two unless said here
PLAIN_MARKS = frozenset("YymdHMSjZz")  # those that are digits or a zone in every language
MOST_PLACES = 20
SIGNS = {"KRW": "₩", "USD": "$", "EUR": "€", "JPY": "¥", "GBP": "£"}


@with_context
def on_date(value: object, form: object = None, *, context: RenderContext) -> str:
    """A moment, written in the person's zone: `{{ gift.expires_at | date: '%m월 %d일 %H시' }}`; `%-d` drops the zero.

    Takes a moment, ISO text, or seconds since 1970. Without a form: `2026. 11. 22.` or `22 November 2026`.
    """
    _present(value)
    locale = str(context.resolve(LOCALE, default="ko"))
    moment = _moment(value, ZoneInfo(str(context.resolve(ZONE, default="UTC"))))
    if not form or isinstance(form, Undefined):
        form = "%Y. %-m. %-d." if locale.startswith("ko") else "%-d %B %Y"
    return _written(moment, str(form), locale)


def money(value: object, currency: object = "KRW") -> str:
    """An amount with its sign: 30000 → `₩30,000`; `money: 'USD'` → `$12.50`."""
    code = str(currency).upper()
    return f"{SIGNS.get(code, code + ' ')}{_number(value):,.{PLACES.get(code, 2)}f}"


def won(value: object) -> str:
    """An amount as Koreans write it: 30000 → `30,000원`."""
    return f"{_number(value):,.0f}원"


def number(value: object, places: object = 0) -> str:
    """A number with commas: 1234567 → `1,234,567`."""
    text = str(places)
    if not text.isdigit() or int(text) > MOST_PLACES:
        raise FilterArgumentError(f"a number has 0 to {MOST_PLACES} places", token=None)
    return f"{_number(value):,.{int(text)}f}"


FILTERS: dict[str, Callable[..., Any]] = {"date": on_date, "money": money, "won": won, "number": number}


def _present(value: object) -> None:
    if isinstance(value, Undefined):
        str(value)  # raises, and names it


def _number(value: object) -> Decimal:
    _present(value)
    try:
        amount = Decimal(str(value))
    except InvalidOperation as error:
        raise FilterArgumentError(f"not a number: {str(value)[:40]!r}", token=None) from error
    if not amount.is_finite() or abs(amount) >= Decimal(10) ** 18:
        raise FilterArgumentError("not an amount", token=None)
    return amount


def _moment(value: object, zone: ZoneInfo) -> datetime:
    try:
        if isinstance(value, datetime):
            found = value
        elif isinstance(value, date):
            return datetime(value.year, value.month, value.day, tzinfo=zone)
        elif isinstance(value, int | float):
            found = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=value)
        elif len(text := str(value)) == len("2026-11-22"):
            return datetime.fromisoformat(text).replace(tzinfo=zone)  # a day, not a moment: it has no zone to leave
        else:
            found = datetime.fromisoformat(text)
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(zone)
    except (ValueError, OverflowError) as error:
        raise FilterArgumentError(f"not a date: {str(value)[:40]!r}", token=None) from error


def _written(moment: datetime, form: str, locale: str) -> str:
    """strftime, but in the person's language whatever the machine's is, and the same on every platform."""
    korean = locale.startswith("ko")
    month, day = (KO_MONTHS, KO_DAYS) if korean else (EN_MONTHS, EN_DAYS)
    hour = moment.hour % 12 or 12
    own = {
        "B": month[moment.month - 1],
        "b": month[moment.month - 1] if korean else month[moment.month - 1][:3],
        "A": day[moment.weekday()],
        "a": day[moment.weekday()][: 1 if korean else 3],
        "p": ("오전", "오후")[moment.hour >= 12] if korean else ("AM", "PM")[moment.hour >= 12],
        "I": f"{hour:02}",
        "-d": str(moment.day),
        "-m": str(moment.month),
        "-H": str(moment.hour),
        "-I": str(hour),
        "-M": str(moment.minute),
        "%": "%",
    }
    written, rest = [], form
    while rest:
        before, percent, rest = rest.partition("%")
        written.append(before)
        if percent:
            mark = rest[:2] if rest.startswith("-") else rest[:1]
            rest = rest[len(mark) :]
            written.append(own.get(mark) or (moment.strftime(f"%{mark}") if mark in PLAIN_MARKS else f"%{mark}"))
    return "".join(written)
