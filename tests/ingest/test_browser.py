"""What browser libraries fetch first."""

from dataclasses import replace
from pathlib import Path

import httpx2

from dangol.keys import KeyKind
from dangol.service import House
from dangol_ingest.main import open_service
from tests.support.house import SECRET, WRITE, app_of, client_of, key_of

PAGE = {"Origin": "https://shop.example"}


async def test_segments_library_is_sent_here(client: httpx2.AsyncClient, house: House) -> None:
    key, _ = await key_of(house, KeyKind.BROWSER)
    for slash in ("", "/"):
        answer = await client.get(f"/v1/projects/{key}/settings{slash}", headers=PAGE)
        assert answer.headers["access-control-allow-origin"] == PAGE["Origin"]
        segment = answer.json()["integrations"]["Segment.io"]
        assert (segment["apiKey"], segment["apiHost"], segment["protocol"]) == (key, "dangol.test/v1", "http")


async def test_rudders_library_is_sent_here(client: httpx2.AsyncClient) -> None:
    for how in ({"auth": (WRITE, "")}, {"params": {"writeKey": WRITE}}):
        answer = await client.get("/sourceConfig/", headers=PAGE, **how)
        assert answer.json()["source"]["enabled"] is True
        assert answer.headers["access-control-allow-origin"] == PAGE["Origin"]


async def test_a_wrong_or_secret_key_gets_no_settings(client: httpx2.AsyncClient) -> None:
    for key in ("wrong", SECRET):
        answer = await client.get(f"/v1/projects/{key}/settings", headers=PAGE)
        assert answer.status_code == 401
        assert answer.headers["access-control-allow-origin"] == PAGE["Origin"]


async def test_the_script_is_a_configured_file_or_a_clear_404(house: House, tmp_path: Path) -> None:
    script = tmp_path / "standalone.js"
    script.write_text('var key = "__WRITE_KEY__";')
    path = f"/analytics.js/v1/{WRITE}/analytics.min.js"
    for configured, status in (("", 404), (str(tmp_path / "missing.js"), 404), (str(script), 200)):
        with_script = replace(house, settings=replace(house.settings, analytics_js=configured))
        async with open_service(with_script) as ingest, client_of(app_of(house, ingest.router)) as client:
            answer = await client.get(path, headers=PAGE)
            assert answer.status_code == status
    assert answer.text == f'var key = "{WRITE}";'
    assert answer.headers["content-type"].startswith("application/javascript")
