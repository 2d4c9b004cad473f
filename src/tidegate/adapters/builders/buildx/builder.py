"""Builds with BuildKit, and finds what was built before.

What buildx is told is `command`'s, what it says is `output`'s, what is there already is `lookup`'s; here
they meet. Nothing is known by its tag for longer than a look-up: what comes back is named by digest.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tidegate.adapters.builders.buildx.credentials import Credentials
from tidegate.adapters.builders.buildx.lookup import content_id, registry_digest
from tidegate.adapters.builders.buildx.program import Silent, buildx, follow, minimal
from tidegate.errors import BuildFailed, RegistryUnavailable
from tidegate.ports.builder import BuildTarget


class Buildx:
    """The builder that `docker buildx` is set up with: its engine, its layer cache.

    `registry` is where images go (`registry.example.com/shop`), None where they stay in the engine; its
    credentials are TIDEGATE_REGISTRY_USERNAME and TIDEGATE_REGISTRY_PASSWORD of `environ`, else Docker's own.
    `answer_within` is how long a registry may take to answer a look-up, `push_within` how long a push may
    show no progress at all; both in seconds.
    """

    def __init__(
        self,
        registry: str | None = None,
        environ: Mapping[str, str] | None = None,
        *,
        answer_within: float = 15.0,
        push_within: float = 120.0,
    ) -> None:
        self._environ = dict(os.environ if environ is None else environ)
        self._credentials = Credentials(registry, self._environ)
        self._answer_within = answer_within
        self._push_within = push_within

    def find(self, tag: str, *, registry: bool) -> str | None:
        """The pinned image that bears `tag`, or None.

        In the registry it is `repository@sha256:…`, in the engine its content id `sha256:…`. Raises
        `RegistryRefused`, `RegistryUnavailable`, `EngineUnavailable`, `ToolMissing`.
        """
        if not registry:
            return content_id(tag, self._environ)
        digest = registry_digest(tag, self._credentials, self._environ, within=self._answer_within)
        return _pin(tag, digest) if digest else None

    def build(
        self, targets: Sequence[BuildTarget], *, push: bool, progress: Callable[[str], None]
    ) -> Mapping[str, str]:
        """Build all targets, in one BuildKit session; the pinned image of each service.

        With `push` the registry has them, and the engine has them under the same digests. Raises `BuildFailed`,
        `RegistryRefused`, `RegistryUnavailable`, `EngineUnavailable`, `ToolMissing`. A KeyboardInterrupt, like
        any exception from `progress`, leaves when the build has ended.
        """
        if not targets:
            return {}
        metadata = self._run(targets, push, progress)
        return {
            target.service: self._pinned(target, found, push) for target, found in zip(targets, metadata, strict=True)
        }

    def _run(
        self, targets: Sequence[BuildTarget], push: bool, progress: Callable[[str], None]
    ) -> list[Mapping[str, Any]]:
        """Run buildx; what it says of each image."""
        # Looking images up needs none of these, so not every command pays for them.
        from tempfile import TemporaryDirectory

        from tidegate.adapters.builders.buildx.command import build_command, described
        from tidegate.adapters.builders.buildx.output import Transcript

        transcript = Transcript(progress)
        tags = [tag for target in targets for tag in target.tags] if push else []
        with TemporaryDirectory(prefix="tidegate-build-") as scratch, self._credentials.for_docker(tags) as variables:
            command = build_command(buildx(self._environ), targets, push=push, scratch=Path(scratch))
            try:
                status = follow(
                    command.argv,
                    environment=minimal(self._environ) | variables,
                    folder=targets[0].context,
                    on_line=transcript.feed,
                    patience=lambda: self._push_within if transcript.pushing else None,
                )
            except Silent as error:
                message = f"The registry has taken nothing of {described(targets)} for {self._push_within:g} s."
                raise RegistryUnavailable(message, details=transcript.tail()) from error
            if status:
                raise transcript.failure(described(targets))
            said = json.loads(command.metadata.read_text())
        return [said] if len(targets) == 1 else [said[name] for name in command.names]

    def _pinned(self, target: BuildTarget, said: Mapping[str, Any], push: bool) -> str:
        tag = target.tags[0]
        digest = said.get("containerimage.digest")
        if push and digest and digest != said.get("containerimage.config.digest"):
            return _pin(tag, str(digest))
        # Only the engine knows its content id, and only the registry a manifest that buildx does not name.
        found = self.find(tag, registry=push)
        if found is None:
            raise BuildFailed(f"The image of {target.service} was built, but nothing bears its name {tag}.")
        return found


def _pin(tag: str, digest: str) -> str:
    return f"{tag.rpartition(':')[0]}@{digest}"
