"""The application under measurement: every answer names its version and the request it answers.

`GET|POST /?n=7` answers `VERSION 7`; `/slow?seconds=10` after a while; `/ws` echoes over a WebSocket;
`/health` is 200. A version of `crash` ends at once. An idle connection is closed after IDLE_TIMEOUT
seconds, a POST that then arrives is not answered: just what a router has to cope with. Standard library only.
"""

import asyncio
import base64
import hashlib
import os
import signal
import sys
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

VERSION = (Path(__file__).parent / "version.txt").read_text().strip()
IDLE_TIMEOUT = float(os.environ.get("IDLE_TIMEOUT", "60"))
WEBSOCKET = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, section 1.3


class Connection(asyncio.Protocol):
    """One client connection: requests one after the other, or a WebSocket after an upgrade."""

    def connection_made(self, transport):
        self.transport = transport
        self.buffer = b""
        self.websocket = False
        self.busy = False
        self.loop = asyncio.get_running_loop()
        self.idle = self.loop.call_later(IDLE_TIMEOUT, transport.close)

    def connection_lost(self, _error):
        self.idle.cancel()

    def data_received(self, data):
        self.buffer += data
        if not self.busy:
            self.work()

    def work(self):
        """Handle what is complete in the buffer."""
        self.idle.cancel()
        while not self.busy and (self.frame() if self.websocket else self.request()):
            pass
        if not self.websocket and not self.busy:
            self.idle = self.loop.call_later(IDLE_TIMEOUT, self.transport.close)

    def request(self):
        """Handle one HTTP request; False while it is not complete."""
        head, end, rest = self.buffer.partition(b"\r\n\r\n")
        if not end:
            return False
        line, *fields = head.split(b"\r\n")
        headers = {name.strip().lower(): value.strip() for name, _, value in (f.partition(b":") for f in fields)}
        length = int(headers.get(b"content-length", 0))
        if len(rest) < length:
            return False
        self.buffer = rest[length:]
        url = urlsplit(line.split()[1].decode())
        query = parse_qs(url.query)
        close = headers.get(b"connection", b"").lower() == b"close"
        if url.path == "/ws":
            self.upgrade(headers[b"sec-websocket-key"])
        elif url.path == "/slow":
            self.busy = True
            self.loop.call_later(float(query["seconds"][0]), self.late, close)
        else:
            self.answer(f"{VERSION} {query.get('n', ['-'])[0]}", close)
        return True

    def late(self, close):
        self.busy = False
        self.answer(f"{VERSION} slow", close)
        self.work()

    def answer(self, text, close):
        body = text.encode()
        ending = b"Connection: close\r\n" if close else b""
        self.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n%b\r\n%b" % (len(body), ending, body))
        if close:
            self.transport.close()

    def upgrade(self, key):
        accept = base64.b64encode(hashlib.sha1(key + WEBSOCKET).digest())
        self.websocket = True
        self.transport.write(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: %b\r\n\r\n" % accept
        )

    def frame(self):
        """Echo one short text frame, our version before it; False while it is not complete."""
        if len(self.buffer) < 2:
            return False
        size = self.buffer[1] & 127  # clients mask, and send fewer than 126 bytes here
        if len(self.buffer) < 6 + size:
            return False
        kind, mask, data = self.buffer[0] & 15, self.buffer[2:6], self.buffer[6 : 6 + size]
        self.buffer = self.buffer[6 + size :]
        if kind == 8:
            self.transport.write(b"\x88\x00")
            self.transport.close()
            return False
        text = f"{VERSION} ".encode() + bytes(byte ^ mask[i % 4] for i, byte in enumerate(data))
        self.transport.write(bytes([0x81, len(text)]) + text)
        return True


async def main():
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    await loop.create_server(Connection, "0.0.0.0", 8000, backlog=1024)
    print(f"version {VERSION} listens", flush=True)
    await stop.wait()


if __name__ == "__main__":
    if VERSION.startswith("crash"):
        sys.exit("this version ends at once, as it was told to")
    asyncio.run(main())
