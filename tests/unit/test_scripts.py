"""The scripts, the example and the unit file: what a newcomer meets first."""

import json
import shutil
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tidegate.config.settings import load

ROOT = Path(__file__).parents[2]
HELLO = ROOT / "examples" / "hello"
UNIT = ROOT / "deploy" / "systemd" / "tidegate-agent.service"
SCRIPTS = sorted((ROOT / "script").iterdir())


@pytest.mark.parametrize("script", [*SCRIPTS, ROOT / ".ci" / "run"], ids=lambda p: p.name)
def test_a_script_is_sound_shell_and_stops_at_the_first_error(script: Path) -> None:
    done = subprocess.run(["bash", "-n", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert script.stat().st_mode & 0o111
    assert "set -" in script.read_text()


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda p: p.name)
def test_a_script_explains_itself(script: Path) -> None:
    done = subprocess.run([script, "--help"], capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert f"script/{script.name}" in done.stdout


@pytest.mark.parametrize("name", ["setup", "demo"])
def test_an_unknown_argument_is_refused_before_anything_is_done(name: str) -> None:
    done = subprocess.run([ROOT / "script" / name, "--dwon"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert f"script/{name}" in done.stdout


def test_the_lock_file_pins_by_hash_and_names_no_address() -> None:
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    assert not [line for line in lines if "://" in line or "--index" in line or "--find-links" in line]
    pins = [i for i, line in enumerate(lines) if "==" in line and not line.startswith(("#", " "))]
    assert pins
    assert all("--hash=sha256:" in lines[i + 1] for i in pins)


def test_the_example_is_valid() -> None:
    settings = load((HELLO / "tidegate.yaml").read_bytes(), "tidegate.yaml")
    assert settings.environment("production").promote == "staging"


@pytest.fixture
def hello(tmp_path: Path) -> Iterator[str]:
    """The example, built and run as its Dockerfile does; its address."""
    subprocess.run([sys.executable, HELLO / "assets.py", tmp_path / "dist"], check=True)
    for name in ("app.py", "VERSION"):
        shutil.copy(HELLO / name, tmp_path)
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    environment = {"PORT": str(port), "GREETING": "Good <b>morning</b>", "PATH": "/usr/bin:/bin"}
    process = subprocess.Popen([sys.executable, "app.py"], cwd=tmp_path, env=environment, stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert b"listens" in process.stdout.readline()
    yield f"http://127.0.0.1:{port}"
    process.terminate()
    assert process.wait(10) == 0
    process.stdout.close()


def test_the_example_serves_its_page_its_version_and_its_health(hello: str) -> None:
    with urllib.request.urlopen(f"{hello}/health") as answer:
        assert (answer.status, answer.read()) == (200, b"ok\n")
    with urllib.request.urlopen(f"{hello}/version") as answer:
        assert json.load(answer)["version"] == (HELLO / "VERSION").read_text().strip()
    with urllib.request.urlopen(hello) as answer:
        page = answer.read().decode()
    assert "Good &lt;b&gt;morning&lt;/b&gt;." in page
    assert "$" not in page
    assert "/*STYLE*/" not in page


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
def test_systemd_accepts_the_unit_file_and_finds_it_little_exposed(tmp_path: Path) -> None:
    unit = tmp_path / UNIT.name
    unit.write_text(UNIT.read_text().replace("/usr/local/bin/tidegate", sys.executable))
    done = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
    judged = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--threshold=30", unit],
        capture_output=True,
        text=True,
        check=False,
    )
    assert judged.returncode == 0, judged.stdout


def test_the_router_outlives_a_restart_of_the_agent() -> None:
    settings = UNIT.read_text().splitlines()
    assert "KillMode=process" in settings
    assert "Restart=on-failure" in settings
    assert "RestartPreventExitStatus=75" in settings
    assert "RestartSec=100ms" in settings
