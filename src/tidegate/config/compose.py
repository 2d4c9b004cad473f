"""The Compose files: what is wrong with them as written, and what an environment makes of their normal form."""

from tidegate.config.compose_faults import faults
from tidegate.config.definition import Definition, define
from tidegate.domain.build import BuildSpec as Build

__all__ = ["Build", "Definition", "define", "faults"]
