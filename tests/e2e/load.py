"""An open-loop client: requests at a steady pace, whatever becomes of the earlier ones."""

from __future__ import annotations

import http.client
import threading
import time
from dataclasses import dataclass, field


@dataclass
class Load:
    """`answers` are (sent at, status, body) with monotonic times; status 0: no answer."""

    port: int
    host: str
    pace: float = 0.01  # seconds between requests of one client
    clients: int = 4
    answers: list[tuple[float, int, str]] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def __enter__(self) -> Load:
        self._threads = [threading.Thread(target=self._run, args=(n,)) for n in range(self.clients)]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _run(self, number: int) -> None:
        keep = number % 2 == 0  # half of the clients keep their connections
        connection: http.client.HTTPConnection | None = None
        until = time.monotonic() + 120
        while not self._stop.is_set() and time.monotonic() < until:
            connection = connection or http.client.HTTPConnection("127.0.0.1", self.port, timeout=15)
            sent = time.monotonic()
            method = "POST" if len(self.answers) % 3 == 0 else "GET"
            try:
                connection.request(method, "/", body=b"x" if method == "POST" else None, headers={"Host": self.host})
                answer = connection.getresponse()
                self.answers.append((sent, answer.status, answer.read().decode()))
                reusable = keep and not answer.will_close
            except (OSError, http.client.HTTPException) as error:
                self.answers.append((sent, 0, f"{method} keep={keep}: {error!r}"))
                reusable = False
            if not reusable:
                connection.close()
                connection = None
            self._stop.wait(self.pace)

    @property
    def failed(self) -> list[tuple[float, int, str]]:
        return [answer for answer in self.answers if answer[1] != 200]

    def bodies_since(self, moment: float) -> set[str]:
        return {body for sent, _, body in self.answers if sent >= moment}
