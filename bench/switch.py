"""Switches under load, and the router against HAProxy itself.

Artifacts are built before the clock. Then deployments of built commits (new containers) and rollbacks to the
release before (warm) follow each other, under an open-loop load, with a ten-second request and a WebSocket
open across each. Two more parts compare the router's throughput and its connection reuse with HAProxy's.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.common import Bench, base_image, bench, commit, registry, say
from bench.long_work import LongWork
from bench.serving import wait_until_answered
from bench.stats import percentile, table

HOST = "switch.bench.localhost"
AROUND = 2.0  # seconds before and after a shift that count as around it
CYCLE = 9.0  # seconds from one switch's beginning to the next: room for a shift's window and a quiet one
SETTINGS = """\
app: switch
artifact: {{registry: {registry}/bench}}
environments:
  staging:
    target: {{docker: local}}
    routes: [{{host: switch.bench.localhost, service: web, port: 8000, health: /health}}]
"""


@dataclass(frozen=True)
class Switch:
    """One shift of traffic: the command's begin and end (monotonic seconds), and the version wanted since."""

    kind: str
    began: float
    confirmed: float
    version: str


@dataclass(frozen=True)
class Asked:
    """One request of the load, as it wrote it down."""

    due: float
    sent: float
    ended: float
    version: str | None
    error: str


def build_all(place: Bench, repo: Path, count: int) -> list[tuple[str, str]]:
    """Commit and build `count` versions; (version, commit) of each."""
    built = []
    for number in range(count):
        version = f"v{number}"
        built.append((version, commit(repo, version)))
        say(f"building {version}")
        place.call("build", repo=repo)
    return built


def switch_all(
    place: Bench, repo: Path, built: Sequence[tuple[str, str]], switches: int, long: LongWork
) -> list[Switch]:
    """Deploy each version in turn and roll back after each: the switches that were made."""
    serving = built[0][0]
    done: list[Switch] = []
    upcoming = iter(built[1:])
    before = serving
    for number in range(switches):
        started = time.monotonic()
        long.start(serving)
        time.sleep(1)
        if number % 2 == 0:
            wanted, revision = next(upcoming)
            command, kind = place.call("deploy", "staging", "--commit", revision, repo=repo), "deploy"
        else:
            wanted = before
            command, kind = place.call("rollback", "staging", repo=repo), "rollback"
        say(f"{number + 1:3} of {switches}: {kind} {serving} -> {wanted} in {command.seconds:.2f} s")
        done.append(Switch(kind, command.began, command.ended, wanted))
        before, serving = serving, wanted
        time.sleep(max(0.0, started + CYCLE - time.monotonic()))
    return done


def load_part(place: Bench, repo: Path, switches: int, rate: float) -> dict[str, float]:
    """Switch under load; what became of every request."""
    built = build_all(place, repo, switches // 2 + switches % 2 + 1)
    place.call("deploy", "staging", "--commit", built[0][1], repo=repo)
    wait_until_answered("127.0.0.1", place.port, HOST, built[0][0])
    out = place.root / "load.jsonl"
    load = [sys.executable, "-m", "bench.load", "--port", str(place.port), "--host", HOST]
    with subprocess.Popen([*load, "--rate", str(rate), "--out", str(out)], stdin=subprocess.PIPE) as generator:
        time.sleep(3)
        long = LongWork(place.port, HOST)
        done = switch_all(place, repo, built, switches, long)
        long.finish()
        generator.communicate()
    asked = [Asked(*json.loads(line)) for line in out.read_text().splitlines()]
    return judge(asked, done, long)


def judge(asked: Sequence[Asked], done: Sequence[Switch], long: LongWork) -> dict[str, float]:
    """Count and print what became of the requests."""
    failed = [a for a in asked if a.version is None]
    wrong = sum(
        wrong_releases(asked, switch, following) for switch, following in zip(done, [*done[1:], None], strict=True)
    )
    shift, quiet = windows(asked, done)
    for error, count in Counter(a.error for a in failed).most_common(5):
        say(f"  {count} requests failed: {error}")
    for failure in long.failures[:5]:
        say(f"  {failure}")
    figures = {
        "switches": len(done),
        "requests": len(asked),
        "failed": len(failed),
        "long_requests": long.started,
        "long_failed": len(long.failures),
        "wrong_release": wrong,
        "p50_ms": percentile(shift, 0.5),
        "p99_ms": percentile(shift, 0.99),
        "quiet_p50_ms": percentile(quiet, 0.5),
        "quiet_p99_ms": percentile(quiet, 0.99),
    }
    rows = [
        ["switches", str(len(done))],
        ["requests (due at a fixed rate)", str(len(asked))],
        ["  failed, cut or another request's answer", str(len(failed))],
        ["  by another release than the confirmed one", str(wrong)],
        ["10 s requests and WebSockets across a shift", str(long.started)],
        ["  cut or failed", str(len(long.failures))],
        ["p50 / p99 around shifts", f"{figures['p50_ms']:.1f} / {figures['p99_ms']:.1f} ms"],
        ["p50 / p99 in equal quiet windows", f"{figures['quiet_p50_ms']:.1f} / {figures['quiet_p99_ms']:.1f} ms"],
    ]
    print(table(["switching under load", ""], rows))
    return figures


def wrong_releases(asked: Sequence[Asked], switch: Switch, following: Switch | None) -> int:
    """Answers by another version to requests sent after a shift was confirmed and before the next began."""
    end = following.began if following else float("inf")
    return sum(a.version is not None and a.version != switch.version for a in asked if switch.confirmed < a.sent < end)


def windows(asked: Sequence[Asked], done: Sequence[Switch]) -> tuple[list[float], list[float]]:
    """Latencies in milliseconds of requests due around shifts, and in equally long windows in between."""
    shift: list[float] = []
    quiet: list[float] = []
    for a in asked:
        latency = 1000 * (a.ended - a.due)
        for switch in done:
            since = a.due - switch.confirmed
            if -AROUND <= since <= AROUND:
                shift.append(latency)
            elif AROUND + 0.5 < since <= 3 * AROUND + 0.5:
                quiet.append(latency)
    return shift, quiet


def main(arguments: list[str]) -> int:
    """Measure, print the tables and the JSON object."""
    from bench import posts, throughput

    parser = argparse.ArgumentParser(prog="script/bench switch", description=__doc__.splitlines()[0])
    parser.add_argument("--switches", type=int, default=50, help="deployments and rollbacks in turn (50)")
    parser.add_argument("--rate", type=float, default=300, help="requests a second (300)")
    parser.add_argument("--posts", type=int, default=50_000, help="POSTs over reused connections (50000)")
    parser.add_argument("--turns", type=int, default=7, help="turns of the router and of HAProxy (7)")
    parser.add_argument("--quick", action="store_true", help="a short run: 6 switches, 2000 POSTs, 2 turns")
    parser.add_argument("--only", choices=["load", "router", "posts"], help="one part")
    options = parser.parse_args(arguments)
    if options.quick:
        options.switches, options.posts, options.turns = 6, 2000, 2
    figures: dict[str, float] = {}
    with bench() as place, registry(place.root) as address:
        place.call("agent", "start")  # fails at once where another agent owns this Docker host
        if options.only in (None, "load"):
            repo = place.repository("app", "switch", SETTINGS.format(registry=address), base_image())
            figures |= load_part(place, repo, options.switches, options.rate)
        if options.only in (None, "router"):
            figures |= throughput.measure(place, options.turns, seconds=2 if options.quick else 5)
        if options.only in (None, "posts"):
            figures |= posts.measure(place, options.posts)
    print(json.dumps({name: round(value, 3) for name, value in figures.items()}))
    return 0
