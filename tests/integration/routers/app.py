"""A small web application as a process: `app.py ADDRESS PORT NAME [IDLE_SECONDS]`.

It answers with its name, or what it was sent at /headers; /slow waits for a line on standard input; an
Upgrade becomes an echo. Prints a line when it listens.
"""

import asyncio
import sys

ADDRESS, PORT, NAME = sys.argv[1], int(sys.argv[2]), sys.argv[3]
IDLE = float(sys.argv[4]) if len(sys.argv) > 4 else 30.0

SWITCHING = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
)


class Connection(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport, self.data, self.timer, self.echo = transport, b"", None, False

    def connection_lost(self, _error):
        if self.timer:
            self.timer.cancel()

    def data_received(self, data):
        if self.echo:
            self.transport.write(data)
            return
        if self.timer:
            self.timer.cancel()
        self.data += data
        head, end, rest = self.data.partition(b"\r\n\r\n")
        length = [int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
        if not end or len(rest) < sum(length):
            return
        self.data = rest[sum(length) :]
        path = head.split(b" ")[1]
        if b"\r\nupgrade:" in head.lower():
            self.echo = True
            self.transport.write(SWITCHING)
        elif path == b"/slow":
            slow.append(lambda: self.answer(head, NAME.encode()))
        else:
            self.answer(head, head if path == b"/headers" else NAME.encode())

    def answer(self, head, body):
        close = b"connection: close" in head.lower()
        extra = b"Connection: close\r\n" if close else b""
        self.transport.write(b"HTTP/1.1 200 OK\r\n%sContent-Length: %d\r\n\r\n%s" % (extra, len(body), body))
        if close:
            self.transport.close()
        else:
            self.timer = asyncio.get_running_loop().call_later(IDLE, self.transport.close)


def finish_slow():
    sys.stdin.readline()
    while slow:
        slow.pop()()


async def main():
    loop = asyncio.get_running_loop()
    loop.add_reader(0, finish_slow)
    server = await loop.create_server(Connection, ADDRESS, PORT, backlog=1024)
    print("listening", server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


slow = []
asyncio.run(main())
