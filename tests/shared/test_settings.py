"""Settings: what is read, what is refused, and which two contradict each other."""

from pathlib import Path

import pytest

from dangol.errors import Invalid
from dangol.settings import read_settings

KAFKA = {"DANGOL_LOG": "kafka://broker:9092", "DANGOL_DB": "postgresql://db/dangol"}


def test_nothing_said_is_embedded(tmp_path: Path) -> None:
    settings = read_settings({"DANGOL_DATA": str(tmp_path)})
    assert settings.log == settings.db == f"sqlite:///{tmp_path}/dangol.db"
    assert settings.embedded
    assert settings.member


def test_production() -> None:
    settings = read_settings({**KAFKA, "DANGOL_PARTITIONS": "6", "DANGOL_ALLOW_PRIVATE_TARGETS": "10.0.0.0/8, ::1/128"})
    assert not settings.embedded
    assert (settings.partitions, settings.allow_private_targets) == (6, ("10.0.0.0/8", "::1/128"))


def test_a_secret_may_come_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("from-a-file\n")
    assert read_settings({"DANGOL_SECRET_KEY_FILE": str(file)}).secret_key == "from-a-file"


def test_what_is_given_wins() -> None:
    assert read_settings({"DANGOL_PORT": "9000"}, port=9001).port == 9001


def test_settings_do_not_change() -> None:
    with pytest.raises(AttributeError):
        read_settings({}).port = 1  # type: ignore[misc]


@pytest.mark.parametrize(
    ("environment", "names"),
    [
        ({"DANGOL_DB": "postgresql://db/dangol"}, ["DANGOL_DB", "DANGOL_LOG"]),
        ({"DANGOL_DB": "sqlite:///a.db", "DANGOL_LOG": "sqlite:///b.db"}, ["DANGOL_DB", "DANGOL_LOG"]),
        ({"DANGOL_LOG": "sqlite:///b.db", "DANGOL_DB": "postgresql://db/x"}, ["DANGOL_DB", "DANGOL_LOG"]),
        ({"DANGOL_PORT": "9420"}, ["DANGOL_PORT", "DANGOL_METRICS_PORT"]),
        ({"DANGOL_SHARE_PORT": "1"}, ["DANGOL_SHARE_PORT", "embedded log"]),
        ({"DANGOL_WRITE_KEY": "same-key", "DANGOL_SECRET_KEY": "same-key"}, ["DANGOL_WRITE_KEY", "DANGOL_SECRET_KEY"]),
        ({"DANGOL_SECRET_KEY": "said-here", "DANGOL_SECRET_KEY_FILE": "/x"}, ["DANGOL_SECRET_KEY", "SECRET_KEY_FILE"]),
    ],
)
def test_two_that_contradict_each_other_are_named(environment: dict[str, str], names: list[str]) -> None:
    with pytest.raises(Invalid) as refused:
        read_settings(environment)
    assert refused.value.code == "contradiction"
    assert all(name in refused.value.message for name in names)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("DANGOL_LOG", "redis://x"),
        ("DANGOL_DB", "mysql://x"),
        ("DANGOL_PORT", "many"),
        ("DANGOL_PARTITIONS", "0"),
        ("DANGOL_SHARE_PORT", "perhaps"),
        ("DANGOL_WRITE_KEY", "short"),
        ("DANGOL_ALLOW_PRIVATE_TARGETS", "ten.0.0.0/8"),
        ("DANGOL_SECRET_KEY_FILE", "/nowhere/at/all"),
    ],
)
def test_what_cannot_be_read_is_refused_by_name(variable: str, value: str) -> None:
    with pytest.raises(Invalid) as refused:
        read_settings({**KAFKA, variable: value})
    assert refused.value.code == "bad_setting"
    assert variable in refused.value.message or variable == refused.value.where
