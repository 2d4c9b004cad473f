"""HAProxy by itself, configured by hand: what the router is measured against."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from bench.common import Bench, daemon, free_port, run, wait_for_port

# The router's own settings, and HAProxy's own: keep-alive to the server unless it is told otherwise.
SAFE = """\
    option http-server-close
    option idle-close-on-response
    option redispatch 1
    retries 3
    retry-on conn-failure empty-response
"""
DEFAULT = ""

CONFIGURATION = """\
global
    maxconn 8000
    stats socket {root}/{name}.sock mode 600 level admin
    hard-stop-after 600s

ring requests
    format rfc5424
    maxlen 1024
    size 1048576

defaults
    mode http
    log ring@requests local0
    option httplog
    timeout client 60s
    timeout connect 5s
    timeout server 60s
    timeout http-request 15s
    timeout http-keep-alive 60s
{settings}
frontend in
    bind 127.0.0.1:{port}
    default_backend app

backend app
    balance roundrobin
    http-request disable-l7-retry unless METH_GET
    server app-1 {address}:{app_port} check inter 1s
"""


@contextmanager
def haproxy(place: Bench, name: str, settings: str, address: str, app_port: int) -> Iterator[int]:
    """HAProxy in front of one server for as long as the context lasts; its port."""
    port = free_port()
    file = place.root / f"{name}.cfg"
    file.write_text(
        CONFIGURATION.format(
            root=place.root, name=name, settings=settings, port=port, address=address, app_port=app_port
        )
    )
    run("haproxy", "-c", "-f", str(file))
    with daemon(["haproxy", "-db", "-f", str(file)], place.root / f"{name}.log"):
        wait_for_port(port)
        yield port


def address_of(app: str) -> str:
    """The address of an app's one running container, as the engine tells it."""
    container = run("docker", "ps", "-q", "--filter", f"label=tidegate.app={app}").split()[0]
    return run(
        "docker", "inspect", "-f", "{{range .NetworkSettings.Networks}}{{.IPAddress}} {{end}}", container
    ).split()[0]
