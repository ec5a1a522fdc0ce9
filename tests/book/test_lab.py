"""`make lab` opens the landing page and shows the folder `work`, where `course start` writes."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SETTINGS = {
    "open_browser": False,
    "token": "",
    "password": "",
    "allow_root": True,
    "disable_check_xsrf": True,
}


@pytest.mark.slow
@pytest.mark.skipif(not (ROOT / ".venv" / ".ready").exists(), reason="make setup has not run")
def test_the_landing_page_is_opened_and_the_whole_repository_is_served(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    settings = {"ServerApp": SETTINGS | {"port": port}, "LanguageServerManager": {"autodetect": False}}
    (tmp_path / "jupyter_server_config.json").write_text(json.dumps(settings), "utf8")
    environment = os.environ | {
        "JUPYTER_CONFIG_DIR": str(tmp_path),
        "JUPYTER_DATA_DIR": str(tmp_path / "data"),
        "JUPYTER_RUNTIME_DIR": str(tmp_path / "runtime"),
    }
    # `make -o` leaves the environment as it is; no notebook needs a signature here.
    command = ["make", "-o", ".venv/.ready", "lab"]
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as server:
        try:
            found = (re.search(r"(http://127\.0\.0\.1:\d+)(/\S*)", line) for line in server.stderr)
            address, page = next(filter(None, found)).groups()
            assert page == "/lab/tree/book/intro.ipynb"
            shown = {item["name"] for item in contents(f"{address}/api/contents/?content=1")}
        finally:
            os.killpg(server.pid, signal.SIGTERM)
    assert {"book", "src"} <= shown
    assert shown.isdisjoint({".venv", ".git"})


def contents(address: str) -> list[dict]:
    """What the server shows; it prints its address a moment before it listens there."""
    deadline = time.monotonic() + 60
    while True:
        try:
            with urllib.request.urlopen(address, timeout=30) as answer:
                return json.load(answer)["content"]
        except urllib.error.URLError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)
