"""Serve the built book on this machine:  python tools/serve.py [FOLDER]"""

from __future__ import annotations

import functools
import sys
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

FIRST_PORT = 8000
HOST = "127.0.0.1"


class Quiet(SimpleHTTPRequestHandler):
    """A file server that does not write a line for every request."""

    def log_message(self, format: str, *args: object) -> None:
        pass


def make_server(folder: Path, port: int = 0) -> ThreadingHTTPServer:
    """A server for `folder`; port 0 means any free one."""
    return ThreadingHTTPServer((HOST, port), functools.partial(Quiet, directory=str(folder)))


def address(server: ThreadingHTTPServer) -> str:
    return f"http://{HOST}:{server.server_address[1]}/"


def main() -> None:
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "_build/html")
    try:
        server = make_server(folder, FIRST_PORT)
    except OSError:  # somebody else has that port
        server = make_server(folder)
    print(f"The book: {address(server)}   (stop with Ctrl-C)", flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        print()


if __name__ == "__main__":
    main()
