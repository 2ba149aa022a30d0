"""The first ten minutes, as the README tells them: start, paste, move the clock, look, ask why."""

import re
import shutil
import signal
import stat
import subprocess
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.support.product import DANGOL, Product, clean_environment, embedded, eventually, free_port, stop


@pytest.fixture
def banner(starter: Product) -> str:
    """What `dangol up` printed."""
    return eventually(lambda: (starter.place / "up.log").read_text())


def paste(line: str) -> str:
    """Run a printed line as a shell would."""
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, timeout=30, check=True)
    return done.stdout


def test_the_printed_lines_work_when_pasted(starter: Product, banner: str) -> None:
    """A cart with consent gets its reminder, one without learns the rule; why tells both."""
    consenting, silent = re.findall(r"^\s*(curl .*)$", banner, re.MULTILINE)
    assert '"success"' in paste(consenting)
    assert '"success"' in paste(silent)
    assert "due moment" in starter.run("forward", "24h")
    messages = eventually(lambda: starter.get("/api/messages", user_id="minji")["messages"])
    assert [message["template"] for message in messages] == ["cart-reminder"]
    assert "동의" in starter.run("why", "jun", "cart-recovery")
    assert "cart-reminder" in starter.run("why", "minji", "cart-recovery")


def test_next_moves_the_clock_to_the_reminder(starter: Product) -> None:
    """And the inbox shows it."""
    starter.run(
        "track",
        "hana",
        "Product Added",
        "cart_id=h1",
        "cart_value=50000",
        "email=hana@example.test",
        "--consent",
        "email",
    )
    eventually(lambda: starter.get("/api/why", user_id="hana")["timeline"])
    assert "1 due moment" in starter.run("forward", "--next")
    page = httpx2.get(f"{starter.url}/inbox", trust_env=False)
    assert page.status_code == 200
    assert "text/html" in page.headers["content-type"]
    assert eventually(lambda: starter.get("/api/messages", user_id="hana")["messages"])[0]["status"] == "sent"


def test_a_quiet_night_holds_the_push_and_the_morning_sends_it(starter: Product) -> None:
    """Caps, quiet hours and expiry are judged at the moment the clock shows, in the person's zone."""
    with starter.http as client:
        now = client.get("/api/clock").json()["now"]
    assert now
    given = ("cart_id=q1", "cart_value=50000", "email=yuna@example.test", "phone=010-2222-3333")
    starter.run("track", "yuna", "Product Added", *given, "--consent", "email,sms")
    starter.run("forward", "5d")
    sent = _sent_to(starter, "yuna")
    assert {message["template"] for message in sent} >= {"cart-reminder", "cart-reminder-short"}
    for message in sent:
        if message["channel"] in ("sms", "lms"):
            hour = (int(message["updated_at"][11:13]) + 9) % 24
            assert 8 <= hour < 21, message


def _sent_to(product: Product, user: str) -> list[dict[str, Any]]:
    return [one for one in product.get("/api/messages", user_id=user)["messages"] if one["status"] == "sent"]


def test_it_stops_and_starts_where_it_was(tmp_path: Path) -> None:
    """People, messages and the moved clock are all there again."""
    with embedded(tmp_path, None) as product:
        product.run("track", "minji", "Signed Up", "email=minji@example.test", "--consent", "email")
        eventually(lambda: _sent_to(product, "minji"))
        product.run("forward", "36h")
        before = product.get("/api/clock")["ahead_seconds"]
    with embedded(tmp_path, None) as product:
        assert product.get("/api/clock")["ahead_seconds"] == pytest.approx(before, abs=1)
        assert len(product.get("/api/messages", user_id="minji")["messages"]) == 1
        product.run("track", "minji", "Product Added", "cart_id=m1", "cart_value=90000")
        eventually(lambda: "waited" in str(product.get("/api/why", user_id="minji", journey="cart-recovery")))


def test_what_was_applied_stays_in_force_over_a_restart(tmp_path: Path) -> None:
    """The starter is for a new product: it does not take the place of what was published."""
    with embedded(tmp_path, None) as product:
        product.run("init", "shop")
        journey = tmp_path / "shop" / "journeys" / "cart-recovery.yaml"
        journey.write_text(journey.read_text().replace("30000", "20000"))
        assert "in force: number 2" in product.run("apply", "shop")
    with embedded(tmp_path, None) as product:
        assert product.get("/api/definitions")["number"] == 2
        assert "20000" in str(product.get("/api/journeys/cart-recovery"))


def test_a_second_one_on_the_same_port_or_folder_is_refused_with_the_holders_name(starter: Product) -> None:
    """Within seconds, and it says what to do."""
    port = starter.url.rsplit(":", 1)[1]
    same_port = _up(starter.place, "--port", port, "--data", "other")
    assert "is taken by pid" in same_port
    assert "--port" in same_port
    assert "is in use by process" in _up(starter.place, "--port", str(free_port()), "--data", "data")


def _up(place: Path, *arguments: str) -> str:
    done = subprocess.run(
        [DANGOL, "up", *arguments],
        cwd=place,
        env=clean_environment() | {"DANGOL_METRICS_PORT": str(free_port())},
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert done.returncode == 1
    return done.stderr + done.stdout


def test_its_keys_are_its_owners_alone(starter: Product) -> None:
    """0600, and a write key reads nothing."""
    keys = starter.place / "data" / "keys"
    assert stat.S_IMODE(keys.stat().st_mode) == 0o600
    for path in ("/api/messages", "/api/why?user_id=minji", "/api/definitions", "/api/profiles?user_id=minji"):
        answer = httpx2.get(
            f"{starter.url}{path}", headers={"Authorization": f"Bearer {starter.write_key}"}, trust_env=False
        )
        assert answer.status_code in (401, 403), path


def test_metrics_are_on_a_port_of_their_own(tmp_path: Path) -> None:
    """Never on the public one; a second product whose port is taken says so and goes on."""
    port = free_port()
    with embedded(tmp_path, None, {"DANGOL_METRICS_PORT": str(port)}) as product:
        assert "dangol_people_advanced_total" in httpx2.get(f"http://127.0.0.1:{port}/metrics", trust_env=False).text
        assert httpx2.get(f"{product.url}/metrics", trust_env=False).status_code == 404
        (tmp_path / "second").mkdir()
        with embedded(tmp_path / "second", None, {"DANGOL_METRICS_PORT": str(port)}) as second:
            assert "no metrics: port" in (second.place / "up.log").read_text()


def test_sigterm_ends_it_cleanly(tmp_path: Path) -> None:
    """Exit code 0."""
    port = free_port()
    with (tmp_path / "log").open("w") as log:
        running = subprocess.Popen(
            [DANGOL, "up", "--port", str(port)],
            cwd=tmp_path,
            env=clean_environment() | {"DANGOL_METRICS_PORT": str(free_port())},
            stdout=log,
            stderr=log,
            text=True,
        )
    try:
        eventually(lambda: httpx2.get(f"http://127.0.0.1:{port}/healthz/ready", trust_env=False).status_code == 200)
        running.send_signal(signal.SIGTERM)
        assert running.wait(20) == 0, (tmp_path / "log").read_text()
    finally:
        stop(running)


def test_a_folder_is_watched_and_every_mistake_is_told_as_it_is_saved(tmp_path: Path) -> None:
    """File, line, column and a hint; what was in force stays in force; the mended file is applied."""
    subprocess.run([DANGOL, "init", "shop"], cwd=tmp_path, check=True, capture_output=True, timeout=30)
    log = tmp_path / "up.log"
    with embedded(tmp_path, tmp_path / "shop") as product:
        welcome = tmp_path / "shop" / "journeys" / "welcome.yaml"
        good = welcome.read_text()
        welcome.write_text(good.replace("send: welcome\n", "send: welcom\n"))
        eventually(lambda: "did you mean welcome" in log.read_text())
        assert "journeys/welcome.yaml:" in log.read_text()
        assert "stays in force" in log.read_text()
        product.run("track", "minji", "Signed Up", "email=minji@example.test", "--consent", "email")
        assert eventually(lambda: product.get("/api/messages", user_id="minji")["messages"])
        welcome.write_text(good.replace("within: 1h", "within: 2h"))
        eventually(lambda: "in force: welcome.yaml" in log.read_text())


def test_init_test_and_apply_work_without_and_with_a_product(starter: Product) -> None:
    """`dangol test` needs no product; `apply` tells what changed."""
    starter.run("init", "shop")
    assert "0 failed" in starter.run("test", "shop")
    assert "not an empty folder" in starter.run("init", "shop", ok=False)
    shutil.rmtree(starter.place / "shop" / "tests")
    (starter.place / "shop" / "journeys" / "hello.yaml").write_text(
        "journey: hello\nenter: {event: Hello}\nsteps: [{send: welcome-plain, by: email}]\n"
    )
    assert "journey hello" in starter.run("apply", "shop")


def test_a_file_of_events_is_imported_and_its_bad_rows_are_kept_with_their_reason(starter: Product) -> None:
    """`--backfill` updates what is known and triggers nothing."""
    rows = [
        '{"type": "track", "userId": "old", "event": "Signed Up", "traits": {"email": "old@example.test"}}',
        '{"type": "track", "event": "Signed Up"}',
        "not json",
    ]
    (starter.place / "events.jsonl").write_text("\n".join(rows) + "\n")
    said = starter.run("import", "events.jsonl", "--backfill", ok=False)
    assert "3 rows read, 1 accepted, 2 rejected" in said
    assert len((starter.place / "events.jsonl.rejects.jsonl").read_text().splitlines()) == 2
    eventually(lambda: "backfilled" in str(starter.get("/api/why", user_id="old", journey="welcome")))
    assert not starter.get("/api/messages", user_id="old")["messages"]


def test_doctor_says_all_is_well(starter: Product) -> None:
    """Each line with its sign; exit code 0."""
    assert "✗" not in starter.run("doctor")


def test_tail_shows_an_event_and_what_it_decided(starter: Product) -> None:
    """One line each, live."""
    environment = clean_environment() | {"DANGOL_URL": starter.url, "DANGOL_SECRET_KEY": starter.secret_key}
    with subprocess.Popen(
        [DANGOL, "tail", "-n", "2"], cwd=starter.place, env=environment, stdout=subprocess.PIPE, text=True
    ) as tail:
        try:

            def posted() -> bool:
                starter.run("track", "minji", "Signed Up", "email=minji@example.test", "--consent", "email")
                return tail.poll() is not None

            eventually(posted)
            assert tail.stdout and "minji" in tail.stdout.read()
        finally:
            stop(tail)
