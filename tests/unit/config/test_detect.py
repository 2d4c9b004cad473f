"""init's guesses: each from where a colleague would look, and always a valid file."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.config.detect import app_name, detect
from tidegate.config.settings import load
from tidegate.domain.names import is_name
from tidegate.domain.route import Route
from tidegate.errors import FileMissing


def route(files: dict[str, bytes]) -> Route:
    (found,) = load(detect(files, "shop").encode()).environment("staging").routes
    return found


COMPOSE = b"services: {web: {build: .}, db: {image: postgres, ports: ['5432:5432']}}"


@pytest.mark.parametrize(
    ("web", "more", "expected"),
    [
        ("build: ., ports: ['80:8000']", {}, (8000, "/health")),
        ("build: ., ports: ['127.0.0.1:80:8001/tcp']", {}, (8001, "/health")),
        ("build: ., ports: ['${PORT:-80}:${INNER:-8002}']", {}, (8002, "/health")),
        ("build: ., ports: [{target: 8003, published: 80}]", {}, (8003, "/health")),
        ("build: ., expose: [8004]", {}, (8004, "/health")),
        ("build: .", {"Dockerfile": b"FROM x\nEXPOSE 8005/tcp\n"}, (8005, "/health")),
        ("build: {context: w, dockerfile: D}", {"w/D": b"expose 8006"}, (8006, "/health")),
        ("build: .", {}, (8000, "/health")),
        ("build: ., healthcheck: {test: [CMD, curl, 'http://localhost:8000/up?x=1']}", {}, (8000, "/up?x=1")),
        ("build: ., healthcheck: {test: 'wget -q http://127.0.0.1/ok || exit 1'}", {}, (8000, "/ok")),
        (
            "build: .",
            {"Dockerfile": b"FROM x\nHEALTHCHECK --interval=5s \\\n  CMD curl -f http://localhost:1/live || exit 1\n"},
            (8000, "/live"),
        ),
        ("build: .", {"src/app.py": b'@app.get("/healthz")'}, (8000, "/healthz")),
        ("build: .", {"a.rb": b'get "/up"', "b.rb": b"get '/ready'"}, (8000, "/up")),
    ],
)
def test_port_and_health_come_from_the_files(web: str, more: dict[str, bytes], expected: tuple[int, str]) -> None:
    found = route({"compose.yaml": f"services: {{web: {{{web}}}}}".encode(), **more})
    assert (found.service, found.port, found.health) == ("web", *expected)


@pytest.mark.parametrize(
    ("compose", "service"),
    [
        (COMPOSE, "web"),
        (b"services: {job: {build: .}, site: {build: ., ports: [80]}}", "site"),
        (b"services: {admin: {build: ., ports: [81]}, api: {build: ., ports: [80]}}", "api"),
        (b"services: {one: {image: x}}", "one"),
    ],
)
def test_the_routed_service(compose: bytes, service: str) -> None:
    assert route({"docker-compose.yml": compose}).service == service


def test_the_file_names_staging_and_production_and_says_what_was_not_found() -> None:
    text = detect({"compose.yaml": b"services: {web: {build: .}, migrate: {build: .}}"}, "shop", "trunk")
    settings = load(text.encode())
    staging, production = settings.environments.values()
    assert (staging.name, staging.branch, staging.migrate) == ("staging", "trunk", "migrate")
    assert (production.name, production.promote) == ("production", "staging")
    assert staging.routes[0].host == "staging.shop.localhost"
    assert production.routes[0].host == "shop.localhost"
    assert settings.default_environment() is staging
    assert text.count("NOT FOUND") == 2


@pytest.mark.parametrize("files", [{}, {"compose.yaml": b"services: {}"}, {"Dockerfile": b"FROM x"}])
def test_without_a_compose_file_there_is_nothing_to_deliver(files: dict[str, bytes]) -> None:
    with pytest.raises(FileMissing):
        detect(files, "shop")


@pytest.mark.parametrize(
    ("folder", "name"), [("My_Shop.git", "my-shop"), ("2024-site", "site"), ("...", "app"), ("a" * 60, "a" * 40)]
)
def test_the_app_is_named_after_the_folder(folder: str, name: str) -> None:
    assert app_name(folder) == name


@given(st.text(max_size=80))
def test_any_folder_gives_a_name(folder: str) -> None:
    assert is_name(app_name(folder))


NAMES = st.from_regex(r"[a-zA-Z0-9][a-zA-Z0-9_.-]{0,12}", fullmatch=True)


PRINTABLE = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=20)
WORDS = st.sampled_from(["null", "true", "no", "x:", "0", "1.5", "~"])


@given(
    NAMES | st.sampled_from(["null", "0", "1.5", "no"]), PRINTABLE | WORDS, PRINTABLE | WORDS, st.binary(max_size=40)
)
def test_whatever_is_found_the_file_is_valid(service: str, branch: str, health: str, source: bytes) -> None:
    check = {"test": ["CMD", "curl", f"http://localhost/{health}"]}
    compose = {"services": {service: {"build": ".", "healthcheck": check}, "migrate": {"image": "x"}}}
    files = {"compose.yaml": json.dumps(compose).encode(), "Dockerfile": source, "a\nb.py": b"'/up'"}
    settings = load(detect(files, "null", branch).encode())
    assert settings.environment("staging").routes[0].service == service
