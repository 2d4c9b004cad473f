"""Commits of a git repository, through the git command line (2.31 or newer)."""

from tidegate.adapters.sources.git.repository import GitSource

__all__ = ["GitSource"]
