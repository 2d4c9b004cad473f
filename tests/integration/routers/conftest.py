"""A router on a port of its own and applications behind it, all ended afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.integration.routers.world import Apps, free_port

from tidegate.adapters.routers.haproxy import HAProxyRouter


@pytest.fixture
def apps() -> Iterator[Apps]:
    apps = Apps()
    yield apps
    apps.end()


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def router(tmp_path: Path, port: int) -> Iterator[HAProxyRouter]:
    router = HAProxyRouter(tmp_path, port)
    router.start()
    yield router
    router.stop()
