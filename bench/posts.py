"""Whether safe reuse of connections is safe: POSTs against an application that closes idle connections early.

A POST that meets a closing connection is lost, and nobody may send it again. Bursts come about as far apart as
the application keeps an idle connection, which is when it happens. The same bursts through HAProxy's default
keep-alive show that it would be seen.
"""

from __future__ import annotations

import asyncio
import random

from bench.common import Bench, base_image, commit, say
from bench.load import Connection
from bench.reference import DEFAULT, address_of, haproxy
from bench.serving import wait_for_200
from bench.stats import table

HOST = "posts.bench.localhost"
IDLE = 1.0  # seconds the application keeps an idle connection
BURST = 250
SETTINGS = """\
app: posts
environments:
  staging:
    target: {docker: local}
    env: {IDLE_TIMEOUT: "1"}
    routes: [{host: posts.bench.localhost, service: web, port: 8000, health: /health, idle-timeout: 1s}]
"""


def measure(place: Bench, posts: int) -> dict[str, float]:
    """POSTs lost through the router, and through default keep-alive; prints the table."""
    repo = place.repository("app", "posts", SETTINGS, base_image())
    compose = repo / "compose.yaml"
    compose.write_text(compose.read_text().replace('"60"', '"${IDLE_TIMEOUT:-60}"'))
    commit(repo, "p1")
    place.call("deploy", "staging", repo=repo)
    wait_for_200(place.port, HOST)
    say(f"{posts} POSTs in bursts of {BURST}")
    lost = asyncio.run(bursts(place.port, posts))
    share = max(BURST * 8, posts // 5)  # fewer would not show the loss for certain
    with haproxy(place, "posts", DEFAULT, address_of("posts"), 8000) as port:
        control = asyncio.run(bursts(port, share))
    print(
        table(
            ["POSTs over reused connections", "sent", "lost"],
            [
                ["router, idle timeout declared", str(posts), str(lost)],
                ["HAProxy, default keep-alive", str(share), str(control)],
            ],
        )
    )
    return {"reuse_posts": posts, "reuse_posts_lost": lost, "default_posts": share, "default_posts_lost": control}


async def bursts(port: int, posts: int) -> int:
    """Send bursts of POSTs, each on its own kept-alive client connection; how many got no right answer."""
    chance = random.Random(1)
    lost = 0
    clients: list[Connection | None] = [None] * BURST
    for burst in range(posts // BURST):
        answers = await asyncio.gather(*(one(clients, i, port, f"{burst}-{i}") for i in range(BURST)))
        lost += answers.count(False)
        await asyncio.sleep(chance.uniform(0.9 * IDLE, 1.1 * IDLE))
    for client in clients:
        if client is not None:
            client.transport.close()
    return lost


async def one(clients: list[Connection | None], index: int, port: int, name: str) -> bool:
    """One POST on the `index`-th client connection; whether its own answer came."""
    client = clients[index]
    try:
        if client is None or client.closed:
            client = (await asyncio.get_running_loop().create_connection(Connection, "127.0.0.1", port))[1]
            clients[index] = client
        message = f"POST /?n={name} HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: 2\r\n\r\n{{}}"
        body = await client.ask(message.encode())
    except (OSError, TimeoutError):
        clients[index] = None
        return False
    return body.decode() == f"p1 {name}"
