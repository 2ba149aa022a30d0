"""What `from dangol import …` gives: the words, sorted, all of them, and nothing that does anything."""

import subprocess
import sys
from types import ModuleType

import dangol
from dangol import codec, decisions, errors, events, messages, topics

WORDS: tuple[ModuleType, ...] = (codec, decisions, errors, events, messages, topics)


def test_the_names_are_sorted_and_there() -> None:
    assert dangol.__all__ == sorted(dangol.__all__)
    assert [name for name in dangol.__all__ if not hasattr(dangol, name)] == []


def test_every_type_of_the_words_is_public() -> None:
    types = {
        name
        for module in WORDS
        for name, value in vars(module).items()
        if isinstance(value, type) and value.__module__ == module.__name__ and not name.startswith("_")
    }
    assert sorted(types - set(dangol.__all__)) == []


def test_importing_the_words_opens_nothing() -> None:
    said = "import sys, dangol; print(sorted({'asyncio', 'sqlalchemy', 'fastapi', 'aiokafka'} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", said], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
