"""A builder in memory. The contract suite holds it to what the real one does."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence

from tidegate.errors import BuildFailed, TidegateError
from tidegate.ports.builder import BuildTarget


class FakeBuilder:
    """Knows of Dockerfiles that an image is made of its instructions and the files that these copy.

    `engine` and `registry` hold what bears a tag. `looked_up` and `built` tell what was asked of it, and
    `failure` is raised at the next call.
    """

    def __init__(self) -> None:
        self.engine: dict[str, str] = {}
        self.registry: dict[str, str] = {}
        self.looked_up: list[tuple[str, bool]] = []
        self.built: list[tuple[BuildTarget, ...]] = []
        self.failure: TidegateError | None = None

    def find(self, tag: str, *, registry: bool) -> str | None:
        self._fail()
        self.looked_up.append((tag, registry))
        return (self.registry if registry else self.engine).get(tag)

    def build(
        self, targets: Sequence[BuildTarget], *, push: bool, progress: Callable[[str], None]
    ) -> Mapping[str, str]:
        self._fail()
        self.built.append(tuple(targets))
        images = {target.service: _made(target, progress) for target in targets}
        for target in targets:
            for tag in target.tags:
                self.engine[tag] = images[target.service]
                if push:
                    self.registry[tag] = _pin(tag, images[target.service])
        return {t.service: _pin(t.tags[0], images[t.service]) if push else images[t.service] for t in targets}

    def _fail(self) -> None:
        failure, self.failure = self.failure, None
        if failure is not None:
            raise failure


def _made(target: BuildTarget, progress: Callable[[str], None]) -> str:
    lines = (target.context / target.dockerfile).read_text().splitlines()
    digest = hashlib.sha256(repr((target.stage, sorted(target.arguments.items()), lines)).encode())
    for line in lines:
        progress(line)
        word, *names = line.split()
        if word == "COPY":
            file = target.context / names[0]
            if not file.exists():
                raise BuildFailed(f"BuildKit could not build {target.service}.", details=[f"{names[0]}: not found"])
            digest.update(file.read_bytes())
    return f"sha256:{digest.hexdigest()}"


def _pin(tag: str, image: str) -> str:
    manifest = hashlib.sha256(image.encode()).hexdigest()
    return f"{tag.rpartition(':')[0]}@sha256:{manifest}"
