"""docker-compose.yml: nothing secret in it, nothing unpinned, every service watched, every word known to the code."""

import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML
from typer.main import get_command

from dangol.cli import app
from dangol.settings import PREFIX, Settings

ROOT = Path(__file__).parents[2]
COMPOSE: dict[str, Any] = YAML(typ="safe").load(ROOT / "docker-compose.yml")
SERVICES: dict[str, Any] = COMPOSE["services"]
OURS = [name for name, service in SERVICES.items() if service["image"].startswith("dangol")]
THEIRS = [name for name in SERVICES if name not in OURS]
ASKED = re.compile(r"\$\{(\w+):\?[^}]+}")


def variables_of_the_example() -> set[str]:
    lines = (ROOT / ".env.example").read_text().splitlines()
    return {line.split("=")[0] for line in lines if line and not line.startswith("#")}


def test_every_role_runs_and_those_that_scale_run_twice() -> None:
    commands = sorted(SERVICES[name]["command"][0] for name in OURS)
    assert commands == ["dispatcher", "dispatcher", "ingest", "insights", "journey", "journey", "migrate"]
    assert set(commands) <= set(getattr(get_command(app), "commands"))  # noqa: B009 - the group's type is click's own


def test_workers_have_stable_names_of_their_own() -> None:
    names = [SERVICES[name]["environment"]["DANGOL_MEMBER"] for name in OURS if name != "migrate"]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("name", OURS)
def test_our_containers_are_restricted(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in service["security_opt"]


@pytest.mark.parametrize("name", OURS)
def test_our_settings_are_known(name: str) -> None:
    known = {PREFIX + field.name.upper() for field in fields(Settings)}
    assert set(SERVICES[name]["environment"]) <= known


def test_every_secret_is_asked_for_and_in_the_example() -> None:
    asked = set(ASKED.findall((ROOT / "docker-compose.yml").read_text()))
    assert asked == variables_of_the_example()
    for name in SERVICES:
        for variable, value in SERVICES[name].get("environment", {}).items():
            if re.search("PASSWORD|KEY|SECRET", variable):
                assert ASKED.fullmatch(value), f"{name} has a default for {variable}"


@pytest.mark.parametrize("name", THEIRS)
def test_what_others_made_is_pinned_watched_and_kept(name: str) -> None:
    service = SERVICES[name]
    assert re.search(r":\d", service["image"]), "an image without a version changes under you"
    assert service["healthcheck"]["test"]
    kept = [volume.split(":")[0] for volume in service["volumes"] if not volume.startswith(".")]
    assert kept
    assert set(kept) <= set(COMPOSE["volumes"])


def test_only_the_ingress_is_reachable_and_only_from_this_machine() -> None:
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert published == {"ingress": ["127.0.0.1:8420:8420"]}


def test_the_ingress_knows_every_process_that_answers() -> None:
    routes = (ROOT / "deploy" / "Caddyfile").read_text()
    upstreams = set(re.findall(r"([\w-]+):8420(?!\w)", routes)) - {""}
    assert upstreams == set(OURS) - {"migrate"}
