"""Is a release ready? Ask every replica, from where the router stands, until each says 200.

A replica that ended is a failure at once, told with its exit code, whether memory ran out, and its last
words; one that never answers fails when its time is up, told by what it answered instead.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed
from threading import Event

from tidegate.domain.names import replica_name
from tidegate.domain.observation import Phase, Replica
from tidegate.domain.release import Release
from tidegate.domain.route import Route
from tidegate.engine.outside import Outside, Tell
from tidegate.errors import NotReady, ReplicaExited
from tidegate.ports.prober import ProbeResult

INTERVAL = 0.025  # seconds between two probes of a replica
TIMEOUT = 2.0  # for one probe
LAST_WORDS = 20  # log lines shown of a container that failed
ENDED = (Phase.EXITED, Phase.DEAD, Phase.REMOVING)


def probe_until_ready(
    outside: Outside,
    release: Release,
    replicas: Iterable[Replica],
    tell: Tell,
    check: Callable[[], None],
) -> frozenset[str]:
    """The lives (`Replica.life`) that proved ready: all of them.

    `check` is called between probes and raises to stop. Raises `ReplicaExited`, `NotReady`.
    """
    pending = list(replicas)
    deadline = outside.clock.monotonic() + release.configuration.strategy.start_within
    if len(pending) == 1:
        return frozenset({_until_ready(outside, release, pending[0], deadline, tell, check)})
    failed = Event()

    def still_wanted() -> None:
        check()
        if failed.is_set():
            raise Overtaken

    with ThreadPoolExecutor(max_workers=min(16, len(pending)), thread_name_prefix="probe") as pool:
        asked = [pool.submit(_until_ready, outside, release, r, deadline, tell, still_wanted) for r in pending]
        try:
            return frozenset(future.result() for future in as_completed(asked))
        except BaseException:
            failed.set()  # one failure decides; the others need not be waited for
            raise


class Overtaken(Exception):
    """Another replica has failed, and with it the release."""


def _until_ready(
    outside: Outside,
    release: Release,
    replica: Replica,
    deadline: float,
    tell: Tell,
    check: Callable[[], None],
) -> str:
    routes = {(r.port, r.health): r for r in release.configuration.routes if r.service == replica.service}
    started = outside.clock.monotonic()
    answers: Counter[str] = Counter()
    while True:
        check()
        unready = _ask(outside, replica, list(routes.values()))
        if unready is None and (routes or _unrouted_is_ready(outside, release, replica)):
            seconds = round(outside.clock.monotonic() - started, 3)
            tell("ready", replica=_short(replica), seconds=seconds)
            return replica.life
        text = unready.text if unready is not None else "its own health check has not passed"
        if not answers or text not in answers:
            tell("probe", replica=_short(replica), answer=text)
        answers[text] += 1
        refuse_if_ended(outside, release, replica)
        if outside.clock.monotonic() >= deadline:
            raise _not_ready(outside, release, replica, routes.values(), answers)
        outside.clock.sleep(INTERVAL)


def _ask(outside: Outside, replica: Replica, routes: list[Route]) -> ProbeResult | None:
    for route in routes:
        host = replica.address if route.host == "*" else route.host
        result = outside.prober.probe(replica.address, route.port, route.health, host, TIMEOUT)
        if not result.ok:
            return result
    return None


def _unrouted_is_ready(outside: Outside, release: Release, replica: Replica) -> bool:
    now = outside.target.inspect(release.environment, replica)
    return now is not None and now.running and outside.target.container_health(replica) in (None, "healthy")


def refuse_if_ended(outside: Outside, release: Release, replica: Replica) -> None:
    """Raise `ReplicaExited`, with the reason and the last log lines, when the container has ended."""
    now = outside.target.inspect(release.environment, replica)
    if now is not None and now.phase not in ENDED:
        return
    name = replica_name(release.environment, *replica.key)
    if now is None:
        raise ReplicaExited(f"{name} was removed while it started")
    why = f"exit code {now.exit_code}"
    if now.oom_killed:
        why += ", out of memory: raise its memory limit or make it use less"
    elif now.exit_code == 137:
        why += ", killed by SIGKILL but not by the kernel for want of memory"
    elif now.exit_code == 0:
        why += ": it came to its end, and a service must not"
    raise ReplicaExited(f"{name} ended before it was ready ({why})", details=last_words(outside, replica.id))


def _not_ready(
    outside: Outside, release: Release, replica: Replica, routes: Iterable[Route], answers: Counter[str]
) -> NotReady:
    name = replica_name(release.environment, *replica.key)
    asked = " and ".join(f"GET {r.health} on port {r.port}" for r in routes) or "its health check"
    got = ", ".join(f"{text} ({count} times)" for text, count in answers.most_common(3))
    seconds = f"{release.configuration.strategy.start_within:g}"
    return NotReady(
        f"{name} was not ready within {seconds} s: {asked} gave {got}",
        hint=_advice(answers.most_common(1)[0][0], routes),
        details=last_words(outside, replica.id),
    )


def _advice(answer: str, routes: Iterable[Route]) -> str:
    ports = ", ".join(str(r.port) for r in routes)
    if "refused" in answer:
        return f"Does it listen on port {ports} of all addresses (0.0.0.0), not only of localhost?"
    if answer.startswith(("3", "4")):
        return "The health path must answer 200 itself, without login or redirect: see health in tidegate.yaml."
    if answer.startswith("5"):
        return "It answers, but with an error of its own: its last log lines may tell why."
    return "If it needs longer to start, raise start-within in tidegate.yaml."


def last_words(outside: Outside, container: str) -> list[str]:
    """The container's last log lines; none when they cannot be had."""
    try:
        return list(outside.target.logs(container, tail=LAST_WORDS, follow=False))
    except Exception:  # evidence is welcome, never a second failure
        return []


def _short(replica: Replica) -> str:
    return f"r{replica.release}-{replica.service}-{replica.index}"
