"""How long a text message is: bytes as Korean carriers count them, and what they can carry at all."""

from dangol.decisions import Reason
from dangol_dispatcher.liquid_language import TemplateProblem

LIMITS = {"sms": 90, "lms": 2000}  # bytes of EUC-KR; more is refused, never cut in the middle of a character
KNOWN_AS = str.maketrans({"₩": "￦", "–": "-", "\u00a0": " "})  # what EUC-KR knows by another character
LENGTHS = {"alimtalk": 1000, "brand_message": 1300}  # characters, after the variables are filled


def carried(channel: str, text: str) -> str:
    """The text, if the channel carries it whole; else `TemplateProblem` says by how much it is over."""
    if channel in LENGTHS and len(text) > LENGTHS[channel]:
        raise TemplateProblem(
            Reason.TEMPLATE_ERROR, f"too_long: {len(text)} characters, {channel} takes {LENGTHS[channel]}"
        )
    if channel in LIMITS:
        text = text.translate(KNOWN_AS)
        size = bytes_of(text)
        if size > LIMITS[channel]:
            raise TemplateProblem(Reason.TEMPLATE_ERROR, f"too_long: {size} bytes, {channel} takes {LIMITS[channel]}")
    return text


def bytes_of(text: str) -> int:
    """The bytes of a text in EUC-KR as carriers speak it (CP949); a character it lacks is refused by name."""
    try:
        return len(text.encode("cp949"))
    except UnicodeEncodeError as error:
        character = text[error.start]
        raise TemplateProblem(
            Reason.TEMPLATE_ERROR, f"not_carried: U+{ord(character):04X} at {error.start + 1} is not in EUC-KR"
        ) from error
