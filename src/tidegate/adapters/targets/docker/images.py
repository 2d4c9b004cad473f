"""Having an image at hand: found in the engine, or pulled by its digest from its registry."""

from __future__ import annotations

from typing import Any

from tidegate.adapters.targets.docker.connection import Connection
from tidegate.adapters.targets.docker.failures import explanation, mapped
from tidegate.errors import ImageMissing, RegistryRefused, RegistryUnavailable, TidegateError
from tidegate.ports.target import RegistryAuth

HUB = "docker.io"

# The engine passes a registry's answer on as text, under various statuses: what it says decides.
_REFUSED = ("unauthorized", "authentication required", "denied", "no basic auth", "forbidden", "incorrect username")
_MISSING = ("manifest unknown", "not found", "name unknown", "does not exist")


class Images:
    """Finds and pulls images."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def ensure(self, image: str, auth: RegistryAuth | None) -> None:
        """Have `image` in the engine. Raises `ImageMissing`, `RegistryRefused`, `RegistryUnavailable`."""
        from docker.errors import NotFound

        with mapped(f"look for the image {image}"):
            try:
                self._connection().inspect_image(image)  # type: ignore[no-untyped-call]
            except NotFound as error:
                if is_content_id(image):
                    raise ImageMissing(
                        f"The image {image} is no longer in Docker, and no registry has it.",
                        hint="Build the commit again: tidegate build. With artifact.registry set, images outlive this.",
                    ) from error
            else:
                return
        self._pull(image, auth)

    def declared_volumes(self, image: str) -> list[str]:
        """The paths that an image declares as volumes. It must be in the engine."""
        with mapped(f"inspect the image {image}"):
            found = self._connection().inspect_image(image)  # type: ignore[no-untyped-call]
        return list((found["Config"] or {}).get("Volumes") or ())

    def _pull(self, image: str, auth: RegistryAuth | None) -> None:
        from docker.errors import DockerException

        client = self._connection()
        own: dict[str, Any] | None = None
        if auth is not None and _host(auth.registry) == registry_of(image):  # never to another registry
            own = {"username": auth.username, "password": auth.password, "serveraddress": auth.registry}
        with mapped(f"pull {image}"):
            try:
                if own is None:
                    client.reload_config()  # `docker login` may have come after us
                for line in client.pull(image, stream=True, decode=True, auth_config=own):
                    if "error" in line:
                        raise refusal(image, str(line["error"]))
            except DockerException as error:
                raise refusal(image, explanation(error)) from error


def is_content_id(image: str) -> bool:
    """Whether an image is named by what it holds, which no registry can be asked for."""
    return image.startswith("sha256:")


def registry_of(image: str) -> str:
    """The registry's host, with its port, that an image reference names."""
    first, slash, _ = image.partition("/")
    return _host(first) if slash and ("." in first or ":" in first or first == "localhost") else HUB


def refusal(image: str, text: str) -> TidegateError:
    """What the registry's answer means."""
    said = text.lower()
    if any(word in said for word in _REFUSED):
        return RegistryRefused(f"{registry_of(image)} does not hand out {image}: {text}")
    if any(word in said for word in _MISSING):
        return ImageMissing(
            f"{registry_of(image)} has no {image}: {text}",
            hint="Build and push the commit again: tidegate build. Check what the registry's garbage collection keeps.",
        )
    return RegistryUnavailable(f"{image} could not be pulled: {text}")


def _host(registry: str) -> str:
    host = registry.removeprefix("https://").removeprefix("http://").partition("/")[0]
    return HUB if host in ("index.docker.io", "registry-1.docker.io") else host
