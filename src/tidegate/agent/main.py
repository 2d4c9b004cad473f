"""Start an agent: the router first, then the locks, then the environments, then the API.

The order is what keeps service going: after a crash traffic flows again before anything else is loaded.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable
from types import FrameType
from typing import TYPE_CHECKING

from tidegate.agent.locks import answer, lock_engine, lock_home
from tidegate.bootstrap.agent import make_outside, make_router, make_target
from tidegate.client.home import Home
from tidegate.client.protocol import EXIT_NOT_ALONE, EXIT_STOPPED, FAILED
from tidegate.errors import HomeUnusable, TidegateError

if TYPE_CHECKING:
    from tidegate.agent.api import Api

LONGEST_SOCKET_PATH = 100  # bytes; the kernel takes 107


def run(home: Home, http_port: Callable[[], int]) -> int:
    """Be the agent of `home` until told to stop; the exit code. `http_port` gives the router's port."""
    os.umask(0o077)
    home.path.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        return _run(home, http_port())
    except TidegateError as error:
        say(f"{error.code}: {error.message}. {error.hint}")
        say(FAILED + json.dumps(error.to_payload()))  # for the command that started this agent
        return 1 if error.retryable else EXIT_NOT_ALONE


def _run(home: Home, http_port: int) -> int:
    if len(os.fsencode(home.socket)) > LONGEST_SOCKET_PATH:
        raise HomeUnusable(f"the path {home.socket} is too long for a unix socket", hint="Set a shorter TIDEGATE_HOME.")
    lock_home(home)
    router = make_router(home, http_port)
    if any((home.router / "routes").glob("*")):
        router.start()
    target = make_target()
    lock = lock_engine(target.identity(), home)
    threading.Thread(target=answer, args=(lock, home), name="lock", daemon=True).start()
    router.start()

    from tidegate.agent.api import Api
    from tidegate.engine.owners import Owners

    outside = make_outside(home, router, target)
    owners = Owners(outside, report)
    owners.start()
    api = Api(outside, owners, home)
    listener = _listen(home)
    say(f"agent {os.getpid()} serves {home.socket}")
    stop_router = serve(api, listener)
    owners.stop()
    if stop_router:
        router.stop()
    else:
        router.release_control()
    home.socket.unlink(missing_ok=True)
    say("agent stopped")
    return EXIT_STOPPED


def serve(api: Api, listener: socket.socket) -> bool:
    """Serve the API until it is told to stop; whether the router is to stop, too."""
    import asyncio

    import anyio.to_thread
    import uvicorn

    server = uvicorn.Server(
        uvicorn.Config(
            api.application, log_level="warning", access_log=False, lifespan="off", timeout_graceful_shutdown=1
        )
    )
    api.on_stop = lambda: setattr(server, "should_exit", True)

    def stop(_: int, __: FrameType | None) -> None:
        server.should_exit = True

    async def main() -> None:
        anyio.to_thread.current_default_thread_limiter().total_tokens = 200  # each follower holds one
        await server.serve(sockets=[listener])

    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    asyncio.run(main())
    return api.stop_router


def _listen(home: Home) -> socket.socket:
    home.socket.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    previous = os.umask(0o177)
    try:
        listener.bind(str(home.socket))
    finally:
        os.umask(previous)
    listener.listen(128)
    return listener


def say(text: str) -> None:
    """One line for the log."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def report(error: BaseException) -> None:
    """A fault of our own: its traceback belongs in the log, and nowhere else."""
    import traceback

    say("".join(traceback.format_exception(error)).rstrip())
