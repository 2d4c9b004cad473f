"""HAProxy as the router: one master-worker process a host, driven through its sockets and its files.

Started before anything heavy when an agent comes up, so nothing but light standard modules is imported here.
"""

from tidegate.adapters.routers.haproxy.router import HAProxyRouter

__all__ = ["HAProxyRouter"]
