"""From a commit to every request served by it, in turns with what the engine itself needs.

The floor is what nobody who builds, pushes and runs a container can do without: `docker build`, `docker push`,
`docker run`, then polling until the first 200. Both sides build the same Dockerfile with a warm layer cache
and one changed line, and push to the same registry.
"""

from __future__ import annotations

import argparse
import json
import re
import time
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from bench.common import Bench, base_image, bench, commit, free_port, registry, run, say
from bench.serving import Watch, taken_over, wait_until_answered
from bench.stats import median, spread, table

HOST = "lead.bench.localhost"
APP = "lead"
STEP = re.compile(r"^  (\S.*?) {2,}(\d+\.\d+) s$", re.MULTILINE)  # a line of the command's own summary
RELEASE = re.compile(r"\br\d+\b")
SETTINGS = """\
app: lead
{artifact}
environments:
  staging:
    target: {{docker: local}}
    routes: [{{host: lead.bench.localhost, service: web, port: 8000, health: /health}}]
"""


@dataclass
class Samples:
    """Seconds, one a round."""

    floor: list[float] = field(default_factory=list)
    build: list[float] = field(default_factory=list)
    push: list[float] = field(default_factory=list)
    start: list[float] = field(default_factory=list)
    first_200: list[float] = field(default_factory=list)
    served: list[float] = field(default_factory=list)
    command: list[float] = field(default_factory=list)
    noop: list[float] = field(default_factory=list)
    rollback: list[float] = field(default_factory=list)
    rollback_command: list[float] = field(default_factory=list)
    crash: list[float] = field(default_factory=list)
    help: list[float] = field(default_factory=list)
    steps: dict[str, list[float]] = field(default_factory=dict)
    failed_polls: int = 0


class Floor:
    """The engine's own commands, on the same files."""

    def __init__(self, place: Bench, repo: Path, image: str, *, push: bool) -> None:
        self.place, self.repo, self.image, self.push = place, repo, image, push
        self.port = free_port()

    def measure(self, version: str, samples: Samples) -> None:
        """Build, push, run and wait for the first 200; then remove the container."""
        commit(self.repo, version)
        tag = f"{self.image}:{version}"
        name = f"{self.place.id}-{version}"
        marks = [time.monotonic()]
        run("docker", "build", "-q", "-t", tag, str(self.repo))
        marks.append(time.monotonic())
        if self.push:
            run("docker", "push", "-q", tag)
        marks.append(time.monotonic())
        run("docker", "run", "-d", "--name", name, "-p", f"127.0.0.1:{self.port}:8000", tag)
        marks.append(time.monotonic())
        marks.append(wait_until_answered("127.0.0.1", self.port, HOST, version))
        run("docker", "rm", "-f", name)
        build, push, start, answer = (b - a for a, b in pairwise(marks))
        samples.build.append(build)
        samples.push.append(push)
        samples.start.append(start)
        samples.first_200.append(answer)
        samples.floor.append(marks[-1] - marks[0])


def deliver(place: Bench, repo: Path, version: str, samples: Samples) -> None:
    """Commit a changed line, deploy it, and see when it has taken over."""
    commit(repo, version)
    with Watch(place.port, HOST) as watch:
        command = place.call("deploy", "staging", repo=repo)
        watch.settle(version)
    samples.served.append(taken_over(watch.answers, version) - command.began)
    samples.command.append(command.seconds)
    for step, seconds in STEP.findall(command.output):
        samples.steps.setdefault(RELEASE.sub("rN", step), []).append(float(seconds))
    samples.failed_polls += sum(answer.version is None for answer in watch.answers)


def roll_back(place: Bench, repo: Path, wanted: str, samples: Samples) -> None:
    """Roll back to the warm release before."""
    with Watch(place.port, HOST) as watch:
        command = place.call("rollback", "staging", repo=repo)
        watch.settle(wanted)
    samples.rollback.append(taken_over(watch.answers, wanted) - command.began)
    samples.rollback_command.append(command.seconds)
    samples.failed_polls += sum(answer.version is None for answer in watch.answers)


def crash(place: Bench, repo: Path, version: str, samples: Samples) -> None:
    """Deploy a version that ends at once; the command must say so and fail."""
    commit(repo, f"crash-{version}")
    command = place.call("deploy", "staging", repo=repo, expect=None)
    if command.code == 0 or "ends at once" not in command.output:
        raise RuntimeError(f"a container that exits was not reported:\n{command.output}")
    samples.crash.append(command.seconds)


def measure(place: Bench, rounds: int, store: str, registry_address: str) -> Samples:
    """All rounds; the first of each side only warms the caches and is not counted."""
    in_registry = store == "registry"
    artifact = f"artifact: {{registry: {registry_address}/bench}}" if in_registry else ""
    repo = place.repository("app", APP, SETTINGS.format(artifact=artifact), base_image())
    floor_repo = place.repository("app", "floor", "", base_image())
    floor = Floor(place, floor_repo, f"{registry_address}/bench/floor", push=in_registry)

    say("warming up")
    warm = Samples()
    floor.measure("f0", warm)
    commit(repo, "t0")
    place.call("deploy", "staging", repo=repo)
    wait_until_answered("127.0.0.1", place.port, HOST, "t0")
    samples = Samples()
    version = "t0"
    for number in range(1, rounds + 1):
        say(f"round {number} of {rounds}")
        before, version = version, f"t{number}"
        if number % 2:
            floor.measure(f"f{number}", samples)
        deliver(place, repo, version, samples)
        if not number % 2:
            floor.measure(f"f{number}", samples)
        samples.noop.append(place.call("deploy", "staging", repo=repo).seconds)
        roll_back(place, repo, before, samples)
        place.call("deploy", "staging", repo=repo)  # forward again, to the release that is warm now
        wait_until_answered("127.0.0.1", place.port, HOST, version)
        crash(place, repo, version, samples)
        samples.help.append(place.call("--help").seconds)
    return samples


def report(samples: Samples) -> dict[str, float]:
    """Print the table; the figures for programs."""
    rows = [
        ["the floor: build + push + run + first 200", *spread(samples.floor)],
        ["  docker build", *spread(samples.build)],
        ["  docker push", *spread(samples.push)],
        ["  docker run", *spread(samples.start)],
        ["  first 200", *spread(samples.first_200)],
        ["tidegate deploy: commit -> all requests served by it", *spread(samples.served)],
        ["  the whole command", *spread(samples.command)],
        *([f"    {step}", *spread(seconds)] for step, seconds in samples.steps.items()),
        ["nothing changed, whole command", *spread(samples.noop)],
        ["rollback to a warm release -> served", *spread(samples.rollback)],
        ["  the whole command", *spread(samples.rollback_command)],
        ["a release that exits at once, whole command", *spread(samples.crash)],
        ["tidegate --help", *spread(samples.help)],
    ]
    print(table(["", "median", "least", "greatest"], rows))
    floor, served = median(samples.floor), median(samples.served)
    figures = {
        "ratio": served / floor,
        "floor_s": floor,
        "tidegate_s": served,
        "command_s": median(samples.command),
        "noop_s": median(samples.noop),
        "rollback_s": median(samples.rollback),
        "rollback_command_s": median(samples.rollback_command),
        "crash_notice_s": median(samples.crash),
        "help_s": median(samples.help),
        "failed_polls": samples.failed_polls,
        "rounds": len(samples.served),
    }
    return {name: round(value, 3) for name, value in figures.items()}


def main(arguments: list[str]) -> int:
    """Measure, print the table and the JSON object."""
    parser = argparse.ArgumentParser(prog="script/bench lead_time", description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7, help="rounds after one that warms up (7)")
    parser.add_argument("--store", choices=["registry", "engine"], default="registry", help="where artifacts are kept")
    parser.add_argument("--floor-only", action="store_true", help="measure only the engine")
    options = parser.parse_args(arguments)
    with bench() as place, registry(place.root) as address:
        if options.floor_only:
            floor_only(place, options.rounds, address)
            return 0
        place.call("agent", "start")
        figures = report(measure(place, options.rounds, options.store, address))
    print(json.dumps(figures))
    return 0


def floor_only(place: Bench, rounds: int, address: str) -> None:
    """What the engine needs, alone."""
    floor = Floor(place, place.repository("app", "floor", "", base_image()), f"{address}/bench/floor", push=True)
    samples = Samples()
    floor.measure("f0", Samples())
    for number in range(1, rounds + 1):
        floor.measure(f"f{number}", samples)
    names = ("floor", "build", "push", "start", "first_200")
    print(table(["", "median", "least", "greatest"], [[name, *spread(getattr(samples, name))] for name in names]))
    print(json.dumps({"floor_s": round(median(samples.floor), 3)}))
