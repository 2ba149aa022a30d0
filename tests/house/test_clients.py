"""The browser and the JavaScript clients the suite brings."""

import subprocess
from pathlib import Path

from tests.support.browser import FLAGS


def test_the_browser_runs_a_script_of_a_page(chromium: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text("<body><script>document.body.append('단' + '골')</script></body>")
    profile = f"--user-data-dir={tmp_path / 'profile'}"
    drawn = subprocess.run(
        [chromium, *FLAGS, profile, "--dump-dom", page.as_uri()], capture_output=True, text=True, timeout=60, check=True
    )
    assert "단골" in drawn.stdout


def test_the_official_clients_can_be_loaded(node_clients: Path) -> None:
    classes = "require('@segment/analytics-node').Analytics, require('@rudderstack/rudder-sdk-node')"
    said = subprocess.run(
        ["node", "-p", f"[{classes}].every(known => typeof known === 'function')"],
        cwd=node_clients,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert said.stdout.strip() == "true"
