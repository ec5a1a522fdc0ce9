"""What all tests share: the built book, a server for it, a browser, and which tests are slow."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tools"), str(ROOT / "tests" / "helpers")]  # not part of the package

SLOW_FIXTURES = {"book", "site", "browser"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if SLOW_FIXTURES & set(getattr(item, "fixturenames", ())):
            item.add_marker("slow")


def pytest_runtest_setup() -> None:
    """Random numbers without a generator are the same whichever tests ran before."""
    if torch := sys.modules.get("torch"):
        torch.manual_seed(0)


@pytest.fixture(scope="session")
def book() -> Path:
    """The folder of the built book; built now if it is not there (`make test` builds it first)."""
    html = ROOT / "_build" / "html"
    if not (html / "index.html").exists():
        subprocess.run(["make", "book"], cwd=ROOT, check=True)
    return html


@pytest.fixture(scope="session")
def site(book: Path) -> Iterator[str]:
    """The address under which the built book is served, with a closing slash."""
    from serve import address, make_server

    server = make_server(book)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield address(server)
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(scope="session")
def browser() -> Iterator[object]:
    """A headless Chromium, driven by Playwright, with a temporary profile."""
    executable = shutil.which("chromium") or shutil.which("chromium-browser")
    if executable is None:
        message = "no chromium: apt-get install chromium"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(message)
    from playwright.sync_api import sync_playwright

    quiet = ["--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"]
    offline = ["--disable-background-networking", "--disable-component-update"]
    with sync_playwright() as playwright:
        # A container has no user namespaces for the sandbox; the only pages opened are our own.
        started = playwright.chromium.launch(
            executable_path=executable, args=["--no-sandbox", *quiet, *offline], timeout=60_000
        )
        yield started
        started.close()
