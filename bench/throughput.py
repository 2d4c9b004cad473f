"""The router's throughput against HAProxy's own, in front of the same server, in turns.

`router_ratio` compares a route without a declared idle timeout to HAProxy with the same settings and logging;
`reuse_ratio` a route with one to HAProxy's default keep-alive. The server is HAProxy answering by itself, in
a container: it costs so little that what is measured is the router.
"""

from __future__ import annotations

import re

from bench.common import Bench, commit, run, say
from bench.reference import DEFAULT, SAFE, address_of, haproxy
from bench.serving import wait_for_200
from bench.stats import median, table

CONNECTIONS = 64
SETTINGS = """\
app: fast
environments:
  staging:
    target: {docker: local}
    routes:
      - {host: plain.bench.localhost, service: web, port: 8000, health: /health}
      - {host: reuse.bench.localhost, service: web, port: 8000, health: /health, idle-timeout: 60s}
"""
PUBLIC = "haproxy:3.0-alpine"
LOCAL = "local/bench-haproxy:1"


def server_image() -> str:
    """An image with HAProxy in it: the public one, or one made from the distribution's packages and kept."""
    for image in (PUBLIC, LOCAL):
        if run("docker", "images", "-q", image):
            return image
    try:
        run("docker", "pull", "-q", PUBLIC)
    except RuntimeError:
        say(f"making {LOCAL}")
        root = run("mktemp", "-d")
        archive = f"{root}/root.tar"
        try:
            run("mmdebstrap", "--quiet", "--variant=minbase", "--include=haproxy", "bookworm", archive)
            run("docker", "import", archive, LOCAL)
        finally:
            run("rm", "-rf", root)
        return LOCAL
    return PUBLIC


def measure(place: Bench, turns: int, seconds: int) -> dict[str, float]:
    """Requests a second of four paths to one server, in turns; prints the table."""
    repo = place.repository("fast", "fast", SETTINGS, server_image())
    commit(repo, "1")
    place.call("deploy", "staging", repo=repo)
    wait_for_200(place.port, "plain.bench.localhost")
    wait_for_200(place.port, "reuse.bench.localhost")
    address = address_of("fast")
    with (
        haproxy(place, "same", SAFE, address, 8000) as same,
        haproxy(place, "keep-alive", DEFAULT, address, 8000) as keep_alive,
    ):
        paths = {
            "router, idle timeout unknown": (place.port, "plain.bench.localhost"),
            "HAProxy, same settings and logging": (same, "plain.bench.localhost"),
            "router, idle timeout declared": (place.port, "reuse.bench.localhost"),
            "HAProxy, default keep-alive": (keep_alive, "reuse.bench.localhost"),
        }
        samples: dict[str, list[float]] = {name: [] for name in paths}
        for turn in range(turns + 1):  # the first one only warms up
            order = list(paths)[turn % 4 :] + list(paths)[: turn % 4]
            for name in order:
                rate = wrk(*paths[name], seconds)
                if turn:
                    samples[name].append(rate)
    rates = {name: median(values) for name, values in samples.items()}
    rows = [[name, f"{rates[name]:,.0f}", f"{min(samples[name]):,.0f}", f"{max(samples[name]):,.0f}"] for name in paths]
    print(table([f"requests/s, wrk -c{CONNECTIONS}", "median", "least", "greatest"], rows))
    plain, same_rate, reuse, default = rates.values()
    return {"router_ratio": plain / same_rate, "reuse_ratio": reuse / default, "router_rps": plain, "reuse_rps": reuse}


def wrk(port: int, host: str, seconds: int) -> float:
    """Requests a second. Raises RuntimeError when any of them failed."""
    output = run("wrk", "-t2", f"-c{CONNECTIONS}", f"-d{seconds}s", "-H", f"Host: {host}", f"http://127.0.0.1:{port}/")
    if "Non-2xx" in output or "Socket errors" in output:
        raise RuntimeError(f"wrk on {host}: {output}")
    found = re.search(r"Requests/sec:\s*([\d.]+)", output)
    if found is None:
        raise RuntimeError(f"wrk said: {output}")
    return float(found.group(1))
