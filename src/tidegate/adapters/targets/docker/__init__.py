"""Docker Engine 24 or newer, through its own API: one host, local or over ssh.

Importing this package is cheap; the client library is imported when the engine is first asked for something.
"""

from tidegate.adapters.targets.docker.target import DockerTarget

__all__ = ["DockerTarget"]
