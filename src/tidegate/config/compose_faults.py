"""The faults of Compose files as they are written, each with its place, all at once.

It says more and sooner than `docker compose config`, which stops at the first fault and knows no lines; what is
decided only by merging (includes, extensions, variables) is left to that. It must never call a valid file wrong.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping

from tidegate.config.compose_keys import PROJECT, SERVICE, Scalars, Shape
from tidegate.config.document import Node, parse
from tidegate.config.refusals import escapes, refusals, role_fault
from tidegate.config.words import found, listed, suggestion
from tidegate.domain.names import SERVICE as SERVICE_NAME
from tidegate.errors import InvalidConfiguration

_FLAGS = ("true", "false", "yes", "no", "on", "off", "y", "n", "1", "0")
Fault = tuple[Node, str]
Folders = frozenset[str]


def faults(files: Mapping[str, bytes]) -> list[str]:
    """One line a fault, `file:line:column: …`, over all `files` by name; empty when there is none."""
    lines: list[str] = []
    roots: dict[str, Node] = {}
    for file, content in files.items():
        try:
            roots[file] = parse(content, file)
        except InvalidConfiguration as error:
            lines += error.details
    folders = frozenset(map(posixpath.dirname, files))
    for file, root in roots.items():
        seen = {(node.line, node.column, text) for node, text in _file(folders, root)}
        if len(roots) == len(files):
            seen |= {(node.line, node.column, text) for node, text in _references(root, roots)}
        lines += [f"{file}:{line}:{column}: {text}" for line, column, text in sorted(seen)]
    return lines


def _file(folders: Folders, root: Node) -> Iterator[Fault]:
    yield from _shape(root, PROJECT, "")
    services = root.get("services")
    for name, key, service in services.entries() if services else ():
        if not SERVICE_NAME.fullmatch(name):
            yield key, f"{found(name)}, expected a service's name: letters, digits, '_', '.' and '-'"
        yield from _service(folders, service)
    for included in _included(root):
        yield from _inside(included, folders)
    networks = root.get("networks")
    for name, key, network in networks.entries() if networks else ():
        if name == "default" and network.value:
            yield key, "options of the default network are not supported by this version"


def _service(folders: Folders, service: Node) -> Iterator[Fault]:
    if service.value is None and service.tag is None:
        yield service, "found nothing, expected a service"
    for key, key_node, node in service.entries():
        if _reset(node) or key not in (SERVICE.keys or {}) or key in SERVICE.refused:
            continue
        for path, reason in refusals(key, node.plain()):
            at = node.at(path, key=True)
            yield (key_node if at is node else at), f"{key}: {reason}"
    tidegate = service.get("x-tidegate")
    role = tidegate.get("role") if tidegate else None
    if role and (fault := role_fault(role.value)):
        yield role, fault
    extends = service.get("extends")
    if extends and (extended := extends.get("file")):
        yield from _inside(extended, folders)
    env_file = service.get("env_file")
    for entry in env_file.items() or [env_file] if env_file else ():
        yield from _inside(entry.get("path") or entry, folders)
    build = service.get("build")
    if build:
        yield from _inside(build.get("context") or build, folders)


def _inside(node: Node, folders: Folders) -> Iterator[Fault]:
    """A path must lead into the repository: what a release is made of is in its commit.

    Which of the files is the first, whose folder paths are relative to, differs by environment: any may be.
    """
    path = node.value
    if not isinstance(path, str) or "$" in path:
        return
    outside = path.startswith(("/", "~")) or all(escapes(folder, path) for folder in folders)
    if outside or "://" in path or path.startswith(("git@", "oci:")):
        yield node, f"{found(path)}, expected a path in the repository: a release is made of its commit alone"


def _included(root: Node) -> Iterator[Node]:
    include = root.get("include")
    for entry in include.items() if include else ():
        for key in ("path", "env_file", "project_directory"):
            paths = entry.get(key)
            if paths:
                yield from paths.items() or [paths]
        if isinstance(entry.value, str):
            yield entry


def _shape(node: Node, shape: Shape, key: str) -> Iterator[Fault]:
    """Faults of one value against its shape."""
    if shape.anything or node.value is None or _reset(node):
        return
    named = f"{key}: " if key else ""
    if isinstance(node.value, dict):
        if shape.keys is None and shape.values is None:
            yield node, f"{named}found a mapping, expected {shape.expected}"
        for name, key_node, child in node.entries():
            yield from _entry(name, key_node, child, shape, key)
    elif isinstance(node.value, list):
        if shape.items is None:
            yield node, f"{named}found a list, expected {shape.expected}"
        for child in node.items() if shape.items else ():
            yield from _shape(child, shape.items, key)  # type: ignore[arg-type]
    elif not _scalar_fits(node, shape.scalars):
        yield node, f"{named}{found(node.value)}, expected {shape.expected}"


def _entry(name: str, key_node: Node, child: Node, shape: Shape, within: str) -> Iterator[Fault]:
    known = shape.keys or {}
    if name in known:
        if name in shape.refused and not _reset(child):
            yield key_node, f"{within}.{name} cannot be honoured: {shape.refused[name]}".lstrip(".")
        else:
            yield from _shape(child, known[name], name)
    elif shape.values is not None:
        yield from _shape(child, shape.values, name)
    elif shape.keys is not None and not name.startswith("x-"):
        expected = f", expected {listed(known)}" if len(known) <= 12 else ""
        yield key_node, f"unknown key {name[:60]!r}{expected}{suggestion(name, known)}"


def _scalar_fits(node: Node, scalars: Scalars) -> bool:
    value = node.value
    if isinstance(value, str) and "$" in value:
        return scalars is not Scalars.NONE
    if scalars is Scalars.ANY:
        return True
    if scalars is Scalars.TEXT:
        return isinstance(value, str)
    if scalars is Scalars.NUMBER:
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    return scalars is Scalars.FLAG and (isinstance(value, bool) or str(value).lower() in _FLAGS)


def _references(root: Node, roots: Mapping[str, Node]) -> Iterator[Fault]:
    """Names that nothing in any of the files bears. Includes may bear them: then it is left to Compose."""
    if any(other.get("include") for other in roots.values()):
        return
    services = {name for other in roots.values() for name in _names(other, "services")}
    volumes = {name for other in roots.values() for name in _names(other, "volumes")}
    section = root.get("services")
    if not services and section is None:
        yield root, "found no services, expected services: with at least one"
    for name, key, service in section.entries() if section else ():
        depends = service.get("depends_on")
        for wanted, node in _depended(depends) if depends and not _reset(depends) else ():
            if wanted not in services and "$" not in wanted:
                yield node, f"depends_on: no service {wanted[:60]!r}{suggestion(wanted, services)}"
        mounts = service.get("volumes")
        for mount in mounts.items() if mounts else ():
            volume = _named_volume(mount)
            if volume and volume not in volumes:
                yield mount, f"no volume {volume[:60]!r} under the file's volumes:{suggestion(volume, volumes)}"
        if isinstance(service.value, dict) and not _sourced(name, roots):
            yield key, f"the service {name!r} has neither image: nor build:"


def _sourced(name: str, roots: Mapping[str, Node]) -> bool:
    parts = [root.at(("services", name)) for root in roots.values() if name in _names(root, "services")]
    return any(part.get(key) for part in parts for key in ("image", "build", "extends", "provider"))


def _names(root: Node, section: str) -> list[str]:
    node = root.get(section)
    return [name for name, _, _ in node.entries()] if node else []


def _depended(node: Node) -> Iterator[tuple[str, Node]]:
    for name, key, _ in node.entries():
        yield name, key
    for item in node.items():
        yield item.text, item


def _named_volume(mount: Node) -> str | None:
    """The volume that a mount names, if it is sure to be one: Compose takes anything with a `/` or `.` for a path."""
    if isinstance(mount.value, dict):
        kind, source = mount.get("type"), mount.get("source")
        text = source.text if source and kind and kind.value == "volume" else ""
    else:
        text, separator, _ = mount.text.partition(":")
        text = text if separator else ""
    return text if SERVICE_NAME.fullmatch(text) and "$" not in mount.text and len(text) > 1 else None


def _reset(node: Node) -> bool:
    return node.tag == "!reset"
