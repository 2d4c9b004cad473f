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
    stats socket {root}/{name}.sock mode 600 level admin

ring access
    format raw
    maxlen 512
    size 1048576

defaults
    mode http
    log ring@access format raw local0
    log-format "%Ts %ft %b %s %ST %TR/%Tw/%Tc/%Tr/%Ta %tsc %rc %HM %B"
    timeout connect 5s
    timeout http-request 30s
    timeout http-keep-alive 75s
    timeout client 60s
    timeout server 60s
    timeout check 3s
    option forwardfor
{settings}
frontend in
    bind 127.0.0.1:{port}
    default_backend app

backend app
    balance roundrobin
    option httpchk
    http-check send meth GET uri /health ver HTTP/1.1 hdr Host localhost
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
