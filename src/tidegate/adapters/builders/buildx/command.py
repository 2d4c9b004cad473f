"""What buildx is told, as data: nothing here runs anything but writes the definition that it reads.

One target is built by `buildx build`, which is faster; several by `buildx bake`, which builds them side
by side in one session.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tidegate.ports.builder import BuildTarget

# Provenance inside the image index would give each build another digest.
_COMMON = ("--provenance=false", "--progress=plain")


@dataclass(frozen=True)
class BuildCommand:
    """`names` are the targets' names in buildx's output and metadata, in the order of the targets."""

    argv: tuple[str, ...]
    metadata: Path
    names: tuple[str, ...]


def build_command(buildx: Sequence[str], targets: Sequence[BuildTarget], *, push: bool, scratch: Path) -> BuildCommand:
    """The command that builds `targets`; what it reads and writes lies in `scratch`."""
    metadata = scratch / "metadata.json"
    common = (*_COMMON, "--push" if push else "--load", f"--metadata-file={metadata}")
    names = target_names([target.service for target in targets])
    if len(targets) == 1:
        argv = (*buildx, "build", *common, *_options(targets[0]), str(targets[0].context))
        return BuildCommand(argv, metadata, names)
    file = scratch / "bake.json"
    file.write_text(json.dumps(definition(names, targets)))
    return BuildCommand((*buildx, "bake", *common, f"--file={file}", *names), metadata, names)


def definition(names: Sequence[str], targets: Sequence[BuildTarget]) -> dict[str, object]:
    """The bake file of several targets."""
    return {"target": {name: _bake_target(target) for name, target in zip(names, targets, strict=True)}}


def target_names(services: Sequence[str]) -> tuple[str, ...]:
    """Names that bake takes (letters, digits, `_`, `-`) and a reader recognises; each differs."""
    names: list[str] = []
    for service in services:
        plain = re.sub(r"[^A-Za-z0-9_-]", "_", service)
        taken = {*names, *services} - {service}
        names.append(plain if plain not in taken else f"{plain}-{len(names)}-")
    return tuple(names)


def described(targets: Sequence[BuildTarget]) -> str:
    """The targets for people: `web and worker`."""
    *first, last = [target.service for target in targets]
    return f"{', '.join(first)} and {last}" if first else last


def _options(target: BuildTarget) -> list[str]:
    options = [f"--file={target.context / target.dockerfile}"]
    options += [f"--tag={tag}" for tag in target.tags]
    options += [f"--build-arg={name}={value}" for name, value in sorted(target.arguments.items())]
    options += [f"--label={name}={value}" for name, value in sorted(target.labels.items())]
    return [*options, f"--target={target.stage}"] if target.stage else options


def _bake_target(target: BuildTarget) -> dict[str, object]:
    described: dict[str, object] = {
        "context": _literal(str(target.context)),
        "dockerfile": _literal(str(target.context / target.dockerfile)),
        "tags": [_literal(tag) for tag in target.tags],
        "args": {_literal(name): _literal(value) for name, value in target.arguments.items()},
        "labels": {_literal(name): _literal(value) for name, value in target.labels.items()},
    }
    return {**described, "target": _literal(target.stage)} if target.stage else described


def _literal(text: str) -> str:
    """Text that bake takes as it stands: in its files `${` and `%{` begin templates."""
    return text.replace("${", "$${").replace("%{", "%%{")
