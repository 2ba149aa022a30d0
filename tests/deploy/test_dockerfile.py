"""deploy/Dockerfile: two stages, not root, nothing written but data, and only files that exist are copied."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "deploy" / "Dockerfile").read_text()
LINES = re.sub(r"\\\n\s*", "", re.sub(r"(?m)^#.*\n", "", TEXT)).splitlines()
INSTRUCTIONS = [tuple(line.split(maxsplit=1)) for line in LINES if line.strip()]
LAST_STAGE = INSTRUCTIONS[max(at for at, (word, _) in enumerate(INSTRUCTIONS) if word == "FROM") :]


def of(word: str, instructions: list[tuple[str, ...]] = INSTRUCTIONS) -> list[str]:
    return [rest for known, rest in instructions if known == word]


def test_every_stage_starts_from_a_pinned_image() -> None:
    assert len(of("FROM")) == 2
    assert all(re.match(r"python:3\.\d+-slim-\w+", image) for image in of("FROM"))


def test_it_runs_as_a_numbered_user_that_is_not_root() -> None:
    assert of("USER", LAST_STAGE) == ["10001:10001"]


def test_it_has_a_health_check_that_asks_for_life_not_readiness() -> None:
    (check,) = of("HEALTHCHECK")
    assert "/healthz/live" in check


def test_what_is_copied_exists_and_is_let_through() -> None:
    sources = [source for copied in of("COPY") if "--from" not in copied for source in copied.split()[:-1]]
    let_through = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert all((ROOT / source).exists() for source in sources)
    assert {source.removeprefix("./") for source in sources} == let_through


def test_it_installs_what_the_lock_says_and_no_tools() -> None:
    syncs = [run for run in of("RUN") if "uv sync" in run]
    assert len(syncs) == 2
    assert all("--frozen --no-dev" in run for run in syncs)


def test_the_launcher_and_the_image_use_the_same_uv() -> None:
    (launcher,) = re.findall(r"UV_VERSION=(\S+)", (ROOT / "dangol").read_text())
    assert f"uv=={launcher}" in TEXT


def test_no_secret_is_baked_in() -> None:
    assert not re.search(r"(?i)(ARG|ENV)[^\n]*(PASSWORD|SECRET|TOKEN|_KEY)", TEXT)
