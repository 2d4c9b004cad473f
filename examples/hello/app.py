"""A small web application: a page, its version as JSON, and a health path.

Standard library only. `GET /` is for people, `/version` for programs, `/health` for whoever decides
whether this container may be given traffic.
"""

import json
import os
import platform
import signal
import threading
from datetime import UTC, datetime
from html import escape
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from string import Template

HERE = Path(__file__).parent
FACTS = {
    "version": (HERE / "VERSION").read_text(encoding="utf-8").strip(),
    "environment": os.environ.get("ENVIRONMENT", "this machine"),
    "container": platform.node(),
    "started": datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S UTC"),
}
TOLD: set[str] = set()


def page() -> bytes:
    """The page for people."""
    template = Template((HERE / "dist" / "page.html").read_text(encoding="utf-8"))
    facts = {**FACTS, "greeting": os.environ.get("GREETING", "Hello")}
    return template.substitute({name: escape(value) for name, value in facts.items()}).encode()


def trouble() -> str | None:
    """Why this container cannot serve; None when it can."""
    return None


class Handler(BaseHTTPRequestHandler):
    """Answers three paths; everything else is not found."""

    protocol_version = "HTTP/1.1"
    timeout = 5.0  # an idle connection ends after this many seconds, and so does what waits for it at a stop
    server_version = "hello"
    sys_version = ""

    def do_GET(self) -> None:
        path = self.path.split("?", 1)[0]
        if path == "/":
            self.answer(HTTPStatus.OK, "text/html; charset=utf-8", page())
        elif path == "/version":
            self.answer(HTTPStatus.OK, "application/json", json.dumps(FACTS).encode() + b"\n")
        elif path == "/health":
            self.health()
        else:
            self.answer(HTTPStatus.NOT_FOUND, "text/plain", b"not found\n")

    do_HEAD = do_GET

    def health(self) -> None:
        why = trouble()
        if why:
            if why not in TOLD:  # asked many times a second while a release starts
                TOLD.add(why)
                self.log_error("not healthy: %s", why)
            self.answer(HTTPStatus.SERVICE_UNAVAILABLE, "text/plain", f"{why}\n".encode())
        else:
            self.answer(HTTPStatus.OK, "text/plain", b"ok\n")

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        if self.path != "/health":
            super().log_request(code, size)

    def answer(self, status: HTTPStatus, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


class Server(ThreadingHTTPServer):
    """Lets the requests that it has begun end before it does."""

    daemon_threads = False


def main() -> None:
    """Serve until the container is told to stop."""
    server = Server(("", int(os.environ.get("PORT", "8000"))), Handler)
    # shutdown() waits for serve_forever(), which this thread is in: it has to be called from another.
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    print(f"hello {FACTS['version']} listens on port {server.server_port}", flush=True)
    server.serve_forever(poll_interval=0.05)
    server.server_close()


if __name__ == "__main__":
    main()
