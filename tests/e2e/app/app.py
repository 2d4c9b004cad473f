"""A small web application that can be told, by its commit, to misbehave."""

import http.server
import os
import pathlib
import signal
import sys
import time

HERE = pathlib.Path(__file__).parent
VERSION = (HERE / "version.txt").read_text().strip()
MODE = (HERE / "mode.txt").read_text().strip()

if MODE == "crash":
    print("about to fail: no DATABASE_URL \x1b[31mred\x1b[0m", flush=True)
    sys.exit(3)
if MODE == "exit-0":
    print("nothing to do", flush=True)
    sys.exit(0)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, status, text, **headers):
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-Release", VERSION)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        if self.path == "/health":
            if MODE == "unhealthy":
                self.answer(500, "broken")
            elif MODE == "redirect":
                self.answer(302, "", Location="/login")
            else:
                self.answer(200, "ok")
        elif self.path.startswith("/slow"):
            time.sleep(float(self.path.partition("=")[2] or 1))
            self.answer(200, VERSION)
        elif self.path == "/die":
            os.kill(os.getpid(), signal.SIGKILL)
        elif self.path == "/environment":
            self.answer(200, "\n".join(f"{k}={v}" for k, v in sorted(os.environ.items())))
        elif self.path.startswith("/resolve/"):
            import socket

            try:
                found = sorted({a[4][0] for a in socket.getaddrinfo(self.path[9:], 80)})
            except OSError as error:
                found = [str(error)]
            self.answer(200, " ".join(found))
        else:
            self.answer(200, VERSION)

    def do_POST(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.answer(200, VERSION)

    def log_message(self, *args):
        print(self.path, flush=True)


if MODE == "slow-start":
    time.sleep(3)
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
server = http.server.ThreadingHTTPServer(("", 8000), Handler)
server.daemon_threads = False
print("listening", flush=True)
server.serve_forever()
