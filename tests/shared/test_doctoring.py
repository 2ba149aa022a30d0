"""`dangol doctor`: which channels a journey speaks on."""

from dangol.commands.doctoring import spoken_on


def test_channels_are_found_however_deep() -> None:
    """A single one, a list, within ways and `otherwise`; `preferred` is no channel."""
    steps = [
        {"send": "a", "by": "email"},
        {"wait": [{"opened": "a", "then": {"send": "b", "by": ["push", "sms"]}}, {"after": "1h"}]},
        {"send": "c", "by": "preferred", "otherwise": [{"send": "d", "by": "lms"}]},
        {"webhook": "hook", "json": {"by": "nobody"}},
    ]
    assert spoken_on({"journey": "j", "steps": steps}) == {"email", "push", "sms", "lms"}
