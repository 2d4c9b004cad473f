"""Images built by BuildKit through `docker buildx`, and the credentials of the registry they go to."""

from tidegate.adapters.builders.buildx.builder import Buildx
from tidegate.adapters.builders.buildx.credentials import find_credentials

__all__ = ["Buildx", "find_credentials"]
