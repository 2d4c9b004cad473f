"""From a commit to its artifact, told in order.

A commit that has its images is not built again, whoever built them; of a commit that has some, the
others are built. What happens to the images afterwards is no concern of this module.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path, PurePosixPath

from tidegate.domain.build import BuildReport, BuildSpec, image_tag, repository
from tidegate.domain.release import Artifact
from tidegate.errors import FileMissing, InvalidConfiguration
from tidegate.ports.builder import Builder, BuildTarget
from tidegate.ports.source import Commit


def build(
    builder: Builder,
    specs: Sequence[BuildSpec],
    *,
    app: str,
    registry: str | None,
    commit: Commit,
    tree: Callable[[], AbstractContextManager[Path]],
    progress: Callable[[str], None],
    elapsed: Callable[[], float] = time.monotonic,
) -> BuildReport:
    """Make the artifact of `commit`; `tree` gives its files and is only asked when something must be built.

    `progress` gets plain lines, `elapsed` tells seconds. Raises `FileMissing` or `InvalidConfiguration` for a
    spec that the files do not fit, and what the builder raises.
    """
    began = elapsed()
    # A dirty work tree may hold anything under the same commit, so nothing of it is looked up.
    found = {} if commit.dirty else look_up(builder, specs, app=app, registry=registry, commit=commit.id)
    missing = [spec for spec in specs if spec.service not in found]
    built: Mapping[str, str] = {}
    if missing:
        with tree() as root:
            content = _content(root) if commit.dirty else None
            targets = [
                target_of(
                    spec, root, f"{repository(app, spec.service, registry)}:{image_tag(spec, commit.id, content)}"
                )
                for spec in missing
            ]
            built = builder.build(targets, push=registry is not None, progress=progress)
    images = {spec.service: found.get(spec.service) or built[spec.service] for spec in specs}
    return BuildReport(
        artifact=Artifact(commit=commit.id, images=images, dirty=commit.dirty),
        found=tuple(found),
        built=tuple(built),
        seconds=elapsed() - began,
    )


def look_up(
    builder: Builder, specs: Sequence[BuildSpec], *, app: str, registry: str | None, commit: str
) -> dict[str, str]:
    """The pinned images that the commit has already, by service. Raises what the builder raises."""

    def find(spec: BuildSpec) -> str | None:
        tag = f"{repository(app, spec.service, registry)}:{image_tag(spec, commit)}"
        return builder.find(tag, registry=registry is not None)

    if registry is None or len(specs) < 2:
        answers = [find(spec) for spec in specs]
    else:  # a registry may be far away
        from concurrent.futures import ThreadPoolExecutor

        with ThreadPoolExecutor(max_workers=min(len(specs), 8)) as pool:
            answers = list(pool.map(find, specs))
    return {spec.service: image for spec, image in zip(specs, answers, strict=True) if image is not None}


def target_of(spec: BuildSpec, root: Path, tag: str) -> BuildTarget:
    """The spec with its files in the checkout at `root`; what would reach out of it is refused."""
    context = _inside(root, spec.context, f"The build context of {spec.service}")
    if not context.is_dir():
        raise FileMissing(f"The commit has no folder {spec.context}, which {spec.service} is built from.")
    dockerfile = _inside(context, spec.dockerfile, f"The Dockerfile of {spec.service}", root)
    if not dockerfile.is_file():
        place = PurePosixPath(spec.context, spec.dockerfile)
        raise FileMissing(
            f"The commit has no file {place}, which {spec.service} is built by.",
            hint="Commit it, or name another one in the Compose file: build.dockerfile.",
        )
    return BuildTarget(
        service=spec.service,
        context=context,
        tags=(tag,),
        dockerfile=PurePosixPath(spec.dockerfile).as_posix(),
        stage=spec.stage,
        arguments=spec.arguments,
    )


def _inside(base: Path, path: str, what: str, root: Path | None = None) -> Path:
    """Where `path` is when no link is left in it; it may not leave `root`, which is `base` unless given."""
    asked = PurePosixPath(path)
    try:
        place = (base / asked).resolve()
        inside = place.is_relative_to((root or base).resolve())
    except (OSError, RuntimeError, ValueError):  # links in a circle, characters that no path has
        inside = False
    if asked.is_absolute() or ".." in asked.parts or not inside:
        raise InvalidConfiguration(
            f"{what}, {path}, is outside of the repository.",
            hint="Give a path below the repository's root, without .. in it and through no link that leaves it.",
        )
    return place


def _content(root: Path) -> str:
    """A fingerprint of all files below `root`: equal work trees make images of the same name."""
    digest = hashlib.sha256()
    for path in sorted(root.rglob("*")):
        kind = "link" if path.is_symlink() else "folder" if path.is_dir() else "file"
        if kind == "file":
            text = hashlib.sha256(path.read_bytes()).hexdigest() + oct(path.stat().st_mode)
        else:
            text = str(path.readlink()) if kind == "link" else ""
        digest.update(f"{kind}\0{path.relative_to(root)}\0{text}\0".encode(errors="surrogateescape"))
    return digest.hexdigest()
