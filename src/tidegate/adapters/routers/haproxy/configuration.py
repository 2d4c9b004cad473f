"""HAProxy's configuration as text: what a route becomes, and why each setting is there.

Pure: entries in, text out. Entries have passed `entry.check`, whose alphabets need no quoting.

- Three files: the base (global, defaults, frontend), one file a route, and the map from host and path to backend.
- Connections to an application are closed after each answer unless its idle timeout is known: a connection
  that the application is just closing loses the request. Where it is known, see `_reuse`.
- An old worker, which a reload leaves to end its connections, must not route by its old table: `stopping`
  sends what its kept-alive clients still ask through the relay to the new worker.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_address

from tidegate.adapters.routers.haproxy.entry import RouteEntry, to_json
from tidegate.domain.route import Balance
from tidegate.domain.traffic import Server

MAP = "routes.map"
NO_ROUTE = "tidegate.none"
RUNTIME_SOCKET = "runtime.sock"
RING = "access"
HEADER = "# Written by Tidegate, changes are lost: "
SERVER_SETTINGS = "check inter 1s fall 3 rise 1"
REUSE_SETTINGS = "pool-low-conn 1024"  # so that connections of a past epoch do not crowd out those of this one
SHORTEST_EPOCH = 50  # milliseconds; below it reuse is not worth its risk

_BALANCE = {Balance.ROUND_ROBIN: "roundrobin", Balance.LEAST_CONNECTIONS: "leastconn"}


def base(*, http_port: int, relay: str, secret: str, user: str | None, ipv6: bool) -> str:
    """Global section, defaults and frontend.

    `relay` names the abstract socket by which an old worker reaches the new one, `secret` is how it proves
    to be one; `user` is whom workers become, None: whoever starts them.
    """
    drop = f"  user {user}\n  group {user}\n" if user else ""
    bind6 = f"  bind :::{http_port} v6only\n" if ipv6 else ""
    return f"""# Written by Tidegate, changes are lost.
global
  stats socket unix@{RUNTIME_SOCKET} mode 600 level admin expose-fd listeners
{drop}  hard-stop-after 6h
  mworker-max-reloads 50

ring {RING}
  format raw
  maxlen 512
  size 1048576

defaults tidegate
  mode http
  timeout connect 5s
  timeout http-request 30s
  timeout http-keep-alive 75s
  timeout client 60s
  timeout server 60s
  timeout client-fin 30s
  timeout server-fin 30s
  timeout tunnel 12h
  timeout check 3s
  option forwardfor
  option clitcpka
  option srvtcpka
  option idle-close-on-response
  retries 3
  retry-on conn-failure
  option redispatch 1

frontend tidegate.http from tidegate
  bind :{http_port}
{bind6}{_ROUTING}
frontend tidegate.relayed from tidegate
  bind abns@{relay} accept-proxy
  http-request deny unless {{ req.hdr(x-tidegate-relay) -m str {secret} }}
  http-request del-header x-tidegate-relay
{_ROUTING}
backend tidegate.relay from tidegate
  option http-server-close
  http-request set-header x-tidegate-relay {secret}
  server new abns@{relay} send-proxy-v2

backend {NO_ROUTE} from tidegate
  http-request return status 404 content-type text/plain string "Nothing is served at this host and path.\\n"
"""


# Every line costs each request one or two microseconds.
_ROUTING = f"""  log ring@{RING} format raw local0
  log-format "%Ts %ft %b %s %ST %TR/%Tw/%Tc/%Tr/%Ta %tsc %rc %HM %B"
  http-request del-header x-forwarded- -m beg
  http-request del-header x-real-ip
  http-request del-header forwarded
  http-request del-header proxy
  http-request add-header X-Forwarded-Proto http
  http-request add-header X-Forwarded-Host %[req.hdr(host)] if {{ req.hdr(host) -m found }}
  http-request set-var(txn.path) path
  http-request set-var(txn.to) req.hdr(host),host_only,lower,rtrim(.),concat(,txn.path,/),map_beg({MAP})
  http-request set-var(txn.to) str(*),concat(,txn.path,/),map_beg({MAP}) if !{{ var(txn.to) -m found }}
  use_backend tidegate.relay if {{ stopping }}
  use_backend %[var(txn.to)]-ws if {{ req.hdr(upgrade) -m found }} !{{ req.hdr(upgrade) -i h2c }}
  use_backend %[var(txn.to)]
  default_backend {NO_ROUTE}
"""


def route_file(entry: RouteEntry) -> str:
    """A route's two backends, below a line that holds the entry itself."""
    requests, upgraded = entry.backends
    health_host = "localhost" if entry.route.host == "*" else entry.route.host
    common = f"""  balance {_BALANCE[entry.route.balance]}
  option httpchk
  http-check send meth GET uri {entry.route.health} ver HTTP/1.1 hdr Host {health_host}
  http-check expect status 200
"""
    servers = "".join(
        f"  server {server.name} {endpoint(server)} {server_settings(entry)}{'' if server.serving else ' disabled'}\n"
        for server in entry.servers
    )
    return f"""{HEADER}{to_json(entry)}
backend {requests} from tidegate
{common}{_reuse(entry)}  retry-on conn-failure empty-response
  http-request disable-l7-retry unless METH_GET
{servers}
backend {upgraded} from tidegate
{common}  option http-server-close
{servers}"""


def map_file(entries: Iterable[RouteEntry]) -> str:
    """Beginnings of host and path, each with its backend; the longest that matches wins.

    A host that some route names is no longer any host: what none of its own paths match is not served.
    """
    lines = {entry.key: entry.backend for entry in entries}
    for entry in tuple(entries):
        if entry.route.host != "*":
            lines.setdefault(f"{entry.route.host}/", NO_ROUTE)
    return "".join(f"{key} {backend}\n" for key, backend in sorted(lines.items()))


def server_settings(entry: RouteEntry) -> str:
    """What follows a server's address, in a file and in `add server` alike (which ignores `default-server`)."""
    return f"{SERVER_SETTINGS} {REUSE_SETTINGS}" if _epoch(entry) else SERVER_SETTINGS


def endpoint(server: Server) -> str:
    """Address and port."""
    brackets = ip_address(server.address).version == 6
    return f"[{server.address}]:{server.port}" if brackets else f"{server.address}:{server.port}"


def _epoch(entry: RouteEntry) -> int | None:
    """Milliseconds for which a connection is used, from the declared idle timeout; None: for one request."""
    idle = entry.route.idle_timeout
    epoch = int(idle * 1000 / 3) if idle else 0
    return epoch if epoch >= SHORTEST_EPOCH else None


def _reuse(entry: RouteEntry) -> str:
    """How connections to the application are used again.

    HAProxy has no idle timeout for them: it purges its pool by halves, now and then. But it never uses a
    connection for a request that asks for another IP type of service. So time is cut into epochs of a third of the
    application's idle timeout, each with its own value: a connection is used in the epoch that made it and in no
    other, and none can be idle for longer than that. The value comes round after 63 epochs, 21 idle timeouts.
    """
    epoch = _epoch(entry)
    if epoch is None:
        return "  option http-server-close\n"
    return f"  http-reuse safe\n  http-request set-bc-tos date(0,ms),div({epoch}),mod(63),mul(4)\n"
