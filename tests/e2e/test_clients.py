"""The official clients, unmodified, on both sides: what they post is believed, and leads to messages."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx2
import rudderstack.analytics as rudder
import segment.analytics as segment_analytics
from cloudevents.core.bindings.http import to_binary_event, to_structured_event
from cloudevents.core.v1.event import CloudEvent
from playwright.sync_api import Page, sync_playwright

from tests.e2e.conftest import Spine
from tests.support.browser import FLAGS
from tests.support.product import Product, clean_environment, eventually, free_port, stop

EXAMPLE = Path(__file__).parents[2] / "examples" / "shop"


def test_segment_for_python(spine: Spine, someone: str) -> None:
    """`segment-analytics-python`: identify and track through its own queue."""
    client = segment_analytics.Client(spine.product.write_key, host=spine.product.url, gzip=True)
    client.identify(someone, {"email": f"{someone}@example.test", "name": "민지", "marketing_agreed": True})
    client.track(someone, "Signed Up", {"plan": "basic"})
    client.shutdown()
    assert "민지" in str(eventually(lambda: spine.mailbox.to(someone))[0]["Subject"])


def test_segment_for_node(spine: Spine, someone: str, node_clients: Path) -> None:
    """`@segment/analytics-node`, by the example's own script."""
    script = node_clients / "orders.mjs"
    script.write_text((EXAMPLE / "orders.mjs").read_text())
    environment = clean_environment() | {"DANGOL_WRITE_KEY": spine.product.write_key, "DANGOL_URL": spine.product.url}
    done = subprocess.run(
        ["node", script, someone],
        cwd=node_clients,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert eventually(lambda: spine.mailbox.to(someone))
    eventually(lambda: [payload for _, payload in spine.hooks.verified if payload["user"] == someone])


def test_rudder_for_python(spine: Spine, someone: str) -> None:
    """`rudder-sdk-python` counts any answer but exactly 200 as a failure; its traits are only in the context."""
    failures: list[Any] = []
    client = rudder.Client(
        spine.product.write_key, host=spine.product.url, on_error=lambda error, _items: failures.append(error)
    )
    client.identify(someone, {"email": f"{someone}@example.test", "marketing_agreed": True})
    client.track(someone, "Signed Up", {})
    client.shutdown()
    assert eventually(lambda: spine.mailbox.to(someone))
    assert not failures


def test_cloudevents_binary_and_structured(spine: Spine, someone: str) -> None:
    """The CNCF's own library writes them."""
    attributes = {"type": "Signed Up", "source": "/shop", "subject": someone, "datacontenttype": "application/json"}
    data = {"traits": {"email": f"{someone}@example.test", "name": "민지"}}
    for number, write in enumerate((to_binary_event, to_structured_event)):
        message = write(CloudEvent({**attributes, "id": f"{someone}-{number}", "specversion": "1.0"}, data))
        answer = httpx2.post(
            f"{spine.product.url}/v1/events",
            content=message.body,
            headers=message.headers,
            auth=(spine.product.write_key, ""),
            trust_env=False,
        )
        assert answer.status_code == 200, answer.text
    assert eventually(lambda: spine.mailbox.to(someone))


def test_a_browser_shops_with_segments_snippet(spine: Spine, someone: str, chromium: Path, node_clients: Path) -> None:
    """Only the snippet's host is changed: sign-up and cart from the page, the order from its backend."""
    with shop_of(spine.product, node_clients) as address, page_of(chromium) as page:
        page.goto(address)
        page.wait_for_selector("body[data-analytics=ready]")
        page.fill("[name=user_id]", someone)
        page.fill("[name=email]", f"{someone}@example.test")
        page.check("[name=consent]")
        page.click("#signup button")
        page.click("[data-product=p1]")
        assert eventually(lambda: spine.mailbox.to(someone))
        eventually(lambda: "waited" in str(spine.product.get("/api/why", user_id=someone, journey="cart-recovery")))
        page.click("#pay")
        eventually(lambda: [payload for _, payload in spine.hooks.verified if payload["user"] == someone])
        eventually(lambda: "exited" in str(spine.product.get("/api/why", user_id=someone, journey="cart-recovery")))


@contextmanager
def page_of(chromium: Path) -> Iterator[Page]:
    """A page of a fresh headless Chromium."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=list(FLAGS))
        yield browser.new_page()
        browser.close()


@contextmanager
def shop_of(product: Product, node_clients: Path) -> Iterator[str]:
    """The example shop, its snippet written by its own script."""
    with TemporaryDirectory() as place:
        shop = Path(place) / "shop"
        shutil.copytree(EXAMPLE, shop, ignore=shutil.ignore_patterns("node_modules", "definitions"))
        (shop / "node_modules").symlink_to(node_clients / "node_modules")
        subprocess.run(["node", "snippet.mjs"], cwd=shop, check=True, timeout=30)
        port = free_port()
        settings = {
            "DANGOL_URL": product.url,
            "DANGOL_WRITE_KEY": product.write_key,
            "DANGOL_BROWSER_KEY": product.browser_key,
            "SHOP_PORT": str(port),
        }
        running = subprocess.Popen([sys.executable, "shop.py"], cwd=shop, env=clean_environment() | settings, text=True)
        try:
            address = f"http://127.0.0.1:{port}"
            eventually(lambda: httpx2.get(address, trust_env=False).status_code == 200)
            yield address
        finally:
            stop(running)
