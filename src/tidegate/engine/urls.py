"""Where a route is reached."""

from __future__ import annotations

from typing import Any

from tidegate.domain.route import Route
from tidegate.ports.router import Router


def route_summary(route: Route, router: Router) -> dict[str, Any]:
    """A route as a JSON object, with the URL that reaches it on this host."""
    port = router.describe().get("http_port")
    host = "localhost" if route.host == "*" else route.host
    return {
        "host": route.host,
        "path": route.path,
        "service": route.service,
        "port": route.port,
        "health": route.health,
        "url": f"http://{host}{'' if port == 80 else f':{port}'}{route.path}",
    }
