"""What the command line prints: text from anybody, as text."""

import pytest

from dangol.commands import show


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("[/x] and [red]", "[/x] and [red]"),
        ("u\x1b[2Jx", "u␛[2Jx"),
        ("a\u202ebc\x9b1m", "a\ufffdbc\ufffd1m"),
        ("두 줄\n이모지 :smile: 👩‍👧", "두 줄\n이모지 :smile: 👩‍👧"),
    ],
)
def test_names_from_anybody_are_only_text(given: str, shown: str) -> None:
    """faults H134: an event of a browser key moves no operator's cursor, and brackets are no markup."""
    console = show.console()
    with console.capture() as captured:
        console.print(given)
    assert captured.get() == shown + "\n"
