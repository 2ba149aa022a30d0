"""Where a person can be reached: addresses as events state them, normalised, and how far they are believed."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import phonenumbers

from dangol.events import Event, Origin
from dangol.messages import Address
from dangol_journey.model import Person

EMAIL = re.compile(r"[^\s@<>\"(),;:\\\[\]]{1,64}@[^\s@<>\"(),;:\\\[\]]{1,253}\.[^\s@.<>\"(),;:\\\[\]\d]{2,63}")
REGIONS = {"ko": "KR", "ja": "JP", "en": "US", "zh": "CN", "de": "DE", "fr": "FR"}
MAX_DEVICES = 10
READ = ("email", "phone")  # traits that are read as addresses
TOKEN_TRAITS = ("device_token", "push_token")


def believed(person: Person, event: Event) -> bool:
    """Whether what an event says of addresses and consent counts: a browser's, if it saw the profile first."""
    return event.origin is not Origin.BROWSER or bool(event.key_id and person.first_key_id == event.key_id)


def read_addresses(traits: Mapping[str, Any], locales: Sequence[str]) -> dict[str, str | None]:
    """E-mail and phone as traits state them, or None for what is none. `locales`: the brand's, the person's."""
    return {"email": email_of(traits.get("email")), "phone": phone_of(traits.get("phone"), locales)}


def addresses_in(
    event: Event, traits: Mapping[str, Any], read: Mapping[str, str | None], verified: bool
) -> Iterable[Address]:
    """The addresses an event states: what `read_addresses` read in its traits, and devices."""
    for kind, value in read.items():
        if value:
            yield Address(kind=kind, value=value, verified=verified, at=event.at)
    device = event.context.get("device")
    tokens = [(device.get("token"), str(device.get("type", "")))] if isinstance(device, dict) else []
    tokens += [(traits.get(name), "") for name in TOKEN_TRAITS]
    for value, platform in tokens:
        if isinstance(value, str) and 0 < len(value) <= 4096:
            detail = {"type": "token"} | ({"platform": platform.lower()} if platform else {})
            yield Address(kind="device", value=value, verified=verified, at=event.at, detail=detail)


def email_of(value: object) -> str | None:
    """An e-mail address, trimmed, with the domain in lower case; None for what is none."""
    if not isinstance(value, str) or not EMAIL.fullmatch(value.strip()):
        return None
    local, domain = value.strip().rsplit("@", 1)
    return f"{local}@{domain.lower()}"


def phone_of(value: object, locales: Sequence[str]) -> str | None:
    """A phone number in E.164; one without a country's code is of the first of the locales' countries that has it.

    A browser's language says little of a number's country: the brand's comes first. None for what is none.
    """
    if not isinstance(value, str | int) or isinstance(value, bool):
        return None
    written = str(value).strip()
    if written.startswith("+"):
        return _e164(written, None)
    regions = dict.fromkeys(region for locale in locales if (region := _region(locale)))
    return next((number for region in regions if (number := _e164(written, region))), None)


def _region(locale: str) -> str | None:
    language, _, country = locale.replace("_", "-").partition("-")
    return country.upper() if len(country) == 2 else REGIONS.get(language.lower())


def _e164(written: str, region: str | None) -> str | None:
    try:
        number = phonenumbers.parse(written, region)
    except phonenumbers.NumberParseException:
        return None
    good = phonenumbers.is_valid_number(number) if region else phonenumbers.is_possible_number(number)
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164) if good else None


def place(held: list[Address], new: Address) -> list[Address]:
    """The addresses with one more: an e-mail or phone takes the place of the older one, devices gather.

    What is only claimed stands beside what is believed, one of a kind, and never takes its place.
    """
    if any(_same(one, new) and one.verified >= new.verified for one in held):
        return held
    rivals = [one for one in held if one.kind == new.kind and _rivals(one, new)]
    if any(one.at > new.at for one in rivals):
        return held
    kept = [one for one in held if one not in rivals] + [new]
    devices = sorted((one for one in kept if one.kind == "device"), key=lambda one: one.at)[:-MAX_DEVICES]
    return [one for one in kept if one not in devices]


def _same(one: Address, new: Address) -> bool:
    return (one.kind, one.value, one.detail) == (new.kind, new.value, new.detail)


def _rivals(one: Address, new: Address) -> bool:
    """Whether the new address takes this one's place."""
    if new.kind == "device":
        return one.value == new.value
    return (new.verified and (one.verified or one.value == new.value)) or (not new.verified and not one.verified)
