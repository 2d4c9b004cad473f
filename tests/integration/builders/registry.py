"""A private registry on a loopback port, where Docker asks for no TLS; and ports where something is wrong."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

USERNAME = "ci"
PASSWORD = "p4$$ \"w%rd'\\"
_HTPASSWD = "ci:$2y$04$nS/C6jGdelrnultrrZD6R.1qD9hoDYxRFg2/q0KZxuDEGaWj82SwO\n"


class Registry:
    """Distribution's registry with its files in `folder`; with `login`, only `USERNAME` may use it."""

    def __init__(self, folder: Path, *, login: bool = False) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.host = f"127.0.0.1:{free_port()}"
        (folder / "htpasswd").write_text(_HTPASSWD)
        auth = f"auth: {{htpasswd: {{realm: test, path: {folder}/htpasswd}}}}\n" if login else ""
        self._config = folder / "config.yml"
        self._config.write_text(
            f"version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: {folder}/data}}}}\n"
            f"http: {{addr: {self.host}}}\n{auth}"
        )
        self._log = (folder / "log").open("wb")
        self._process = subprocess.Popen(
            ["docker-registry", "serve", str(self._config)], stdout=self._log, stderr=self._log
        )
        self._wait()

    def close(self) -> None:
        self._process.terminate()
        self._process.wait()
        self._log.close()

    def _wait(self) -> None:
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            try:
                urllib.request.urlopen(f"http://{self.host}/v2/", timeout=1).close()
            except urllib.error.HTTPError:
                return  # it asks who we are
            except OSError:
                assert self._process.poll() is None, "the registry ended"
                time.sleep(0.02)
            else:
                return
        raise AssertionError("the registry did not start")


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@contextlib.contextmanager
def listening(answer: bytes | None) -> Iterator[str]:
    """A host that gives every request `answer`, or none and keeps the connection open."""
    kept: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    kept.append(connection)
                    if answer is not None:
                        with contextlib.suppress(OSError):
                            connection.recv(65536)
                            connection.sendall(answer)
                            connection.close()

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield f"127.0.0.1:{listener.getsockname()[1]}"
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            for connection in kept:
                connection.close()
            thread.join(5)
