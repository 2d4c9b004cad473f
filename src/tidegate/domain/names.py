"""Names of apps and environments, and the deterministic names derived from them.

Whatever Tidegate makes outside bears a name that follows from these, so that it can be found and
adopted after a crash. The alphabet is narrow on purpose: a valid name needs no quoting anywhere.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
MAX_LENGTH = 40
SERVICE = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]*")
RULE = f"lower-case letters, digits and single dashes, beginning with a letter, at most {MAX_LENGTH} characters"


def is_name(text: str) -> bool:
    """Whether `text` may name an app or an environment."""
    return len(text) <= MAX_LENGTH and NAME.fullmatch(text) is not None


@dataclass(frozen=True, order=True)
class EnvironmentName:
    """An app's environment, such as shop's staging."""

    app: str
    environment: str

    def __post_init__(self) -> None:
        for text in (self.app, self.environment):
            if not is_name(text):
                raise ValueError(f"{text[:60]!r} is not a name: {RULE}")

    @property
    def slug(self) -> str:
        """The prefix of everything made for this environment: `shop-staging`."""
        return f"{self.app}-{self.environment}"

    def __str__(self) -> str:
        return f"{self.app}/{self.environment}"


def replica_name(environment: EnvironmentName, release: int, service: str, index: int) -> str:
    """A replica's container name, e.g. `shop-staging-r7-web-1`; `index` counts from 1."""
    return f"{environment.slug}-r{release}-{service}-{index}"


def accessory_name(environment: EnvironmentName, service: str) -> str:
    """An accessory's container name, e.g. `shop-staging-db`."""
    return f"{environment.slug}-{service}"


def release_network(environment: EnvironmentName, release: int) -> str:
    """The network in which a release's service names resolve, e.g. `shop-staging-r7`."""
    return f"{environment.slug}-r{release}"
