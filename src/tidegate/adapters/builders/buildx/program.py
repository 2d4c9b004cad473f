"""Running docker's programs: which, with what environment, and for how long.

They get no more of the caller's environment than they need to find the engine, its settings and the way
out: a build must not depend on the shell it is started from, nor see its secrets.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tidegate.errors import InvalidConfiguration, ToolMissing

_NAMES = frozenset(
    ["PATH", "HOME", "USER", "TMPDIR", "DBUS_SESSION_BUS_ADDRESS", "GNUPGHOME", "SSL_CERT_FILE", "SSL_CERT_DIR"]
    + [name for proxy in ("HTTP", "HTTPS", "NO", "ALL") for name in (f"{proxy}_PROXY", f"{proxy.lower()}_proxy")]
)
_PREFIXES = ("DOCKER_", "BUILDX_", "XDG_")
# buildx would run git in the folder it builds from, and write what it finds into the image.
_FIXED = {"BUILDX_GIT_INFO": "false", "BUILDX_BAKE_ENTITLEMENTS_FS": "0", "LC_ALL": "C"}
_PLUGIN_FOLDERS = (
    "/usr/local/lib/docker/cli-plugins",
    "/usr/local/libexec/docker/cli-plugins",
    "/usr/lib/docker/cli-plugins",
    "/usr/libexec/docker/cli-plugins",
)
_GRACE = 5.0  # seconds that a program has to end by itself


class Answer(NamedTuple):
    """How a short program ended."""

    status: int
    output: str
    errors: str


class Silent(Exception):
    """A program took longer than it may; it has been ended."""


def minimal(environ: Mapping[str, str]) -> dict[str, str]:
    """The variables that docker's programs get."""
    kept = {name: value for name, value in environ.items() if name in _NAMES or name.startswith(_PREFIXES)}
    return {name: value for name, value in kept.items() if not name.startswith("BUILDX_GIT_")} | _FIXED


def docker(environ: Mapping[str, str]) -> str:
    """Where `docker` is. Raises `ToolMissing`."""
    found = _on_path("docker", environ)
    if found is None:
        raise ToolMissing("docker is not installed.", hint="Install Docker Engine 24 or newer with its command line.")
    return found


def buildx(environ: Mapping[str, str]) -> list[str]:
    """How buildx is called. Raises `ToolMissing`.

    The plugin is a program of its own, and calling it without `docker` in front saves some 40 ms; it is looked
    for where docker does, in docker's order.
    """
    folder = docker_folder(environ)
    extra = [str(place) for place in read_config(folder).get("cliPluginsExtraDirs") or ()]
    for place in (*extra, str(folder / "cli-plugins"), *_PLUGIN_FOLDERS):
        candidate = os.path.join(place, "docker-buildx")  # noqa: PTH118
        if os.access(candidate, os.X_OK):
            return [candidate]
    return [docker(environ), "buildx"]


def docker_folder(environ: Mapping[str, str]) -> Path:
    """Where Docker's command line keeps its settings."""
    return Path(environ.get("DOCKER_CONFIG") or Path(environ.get("HOME") or "/root") / ".docker")


def read_config(folder: Path) -> dict[str, Any]:
    """Docker's settings; none when there is no file. Raises `InvalidConfiguration`."""
    try:
        config = json.loads((folder / "config.json").read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, ValueError) as error:
        message = f"Docker's settings in {folder / 'config.json'} cannot be read."
        raise InvalidConfiguration(message, hint="Mend or remove the file.") from error
    return config if isinstance(config, dict) else {}


def ask(argv: Sequence[str], *, environment: Mapping[str, str], within: float, given: str = "") -> Answer:
    """Run a short program. Raises `Silent` after `within` seconds, `ToolMissing`."""
    process = _start(argv, environment, None, stdin=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        output, errors = process.communicate(given.encode(), timeout=within)
    except subprocess.TimeoutExpired as error:
        raise Silent from error
    finally:
        _end(process)
    return Answer(process.returncode, output.decode(errors="replace"), errors.decode(errors="replace"))


def follow(
    argv: Sequence[str],
    *,
    environment: Mapping[str, str],
    folder: Path,
    on_line: Callable[[str], None],
    patience: Callable[[], float | None],
) -> int:
    """Run a program, giving each line of its output to `on_line`; its exit status.

    Raises `Silent` when it says nothing for the seconds that `patience` allows at that moment (None: for ever).
    The program is ended before any exception leaves.
    """
    process = _start(argv, environment, folder, stdin=subprocess.DEVNULL, stderr=subprocess.STDOUT)
    try:
        assert process.stdout is not None
        rest = b""
        while chunk := _read(process.stdout.fileno(), patience()):
            # A carriage return begins a progress bar's line anew.
            *lines, rest = (rest + chunk).replace(b"\r", b"\n").split(b"\n")
            for line in lines:
                on_line(line.decode(errors="replace"))
        if rest:
            on_line(rest.decode(errors="replace"))
        return process.wait()
    finally:
        _end(process)


def _read(pipe: int, within: float | None) -> bytes:
    if not select.select([pipe], [], [], within)[0]:
        raise Silent
    return os.read(pipe, 65536)


def _start(
    argv: Sequence[str], environment: Mapping[str, str], folder: Path | None, *, stdin: int, stderr: int
) -> subprocess.Popen[bytes]:
    try:
        # A session of its own: Ctrl-C comes to us, and we end it in order; nor can it ask at the terminal.
        return subprocess.Popen(
            list(argv),
            env=dict(environment),
            cwd=folder,
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=stderr,
            start_new_session=True,
        )
    except (FileNotFoundError, PermissionError) as error:
        raise ToolMissing(f"{argv[0]} cannot be run.", hint="Install Docker with its buildx plugin.") from error


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a program that still runs: politely, so that it cancels what the engine does for it, then by force."""
    deadline = time.monotonic() + _GRACE
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(timeout=max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
    for pipe in (process.stdin, process.stdout, process.stderr):
        if pipe is not None:
            pipe.close()
    process.wait()


def _on_path(name: str, environ: Mapping[str, str]) -> str | None:
    for folder in environ.get("PATH", os.defpath).split(os.pathsep):
        candidate = os.path.join(folder or ".", name)  # noqa: PTH118
        if os.access(candidate, os.X_OK):
            return candidate
    return None
