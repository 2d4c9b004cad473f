"""Probes over plain HTTP/1.1, a fresh connection each, as the router would make."""

from __future__ import annotations

import errno
import http.client

from tidegate.ports.prober import Answer, ProbeResult

# The address of a container that has ended answers nothing at all for seconds; one that lives, at once.
CONNECT_WITHIN = 0.25  # seconds


class HttpProber:
    """Implements `tidegate.ports.prober.Prober`. Redirects are not followed: the router would not either."""

    def probe(self, address: str, port: int, path: str, host: str, timeout: float) -> ProbeResult:
        """GET `path` once."""
        connection = http.client.HTTPConnection(address, port, timeout=min(timeout, CONNECT_WITHIN))
        headers = {"Host": host, "User-Agent": "tidegate-probe", "Connection": "close"}
        try:
            connection.connect()
            connection.sock.settimeout(timeout)
            connection.request("GET", path, headers=headers)
            response = connection.getresponse()
            return ProbeResult(_kind(response.status), f"{response.status} {response.reason}"[:80].strip())
        except TimeoutError:
            waited = CONNECT_WITHIN if connection.sock is None else timeout
            return ProbeResult(Answer.TIMED_OUT, f"no answer within {waited:g} s")
        except ConnectionRefusedError:
            return ProbeResult(Answer.REFUSED, "connection refused")
        except OSError as error:
            if error.errno in (errno.EHOSTUNREACH, errno.ENETUNREACH):
                return ProbeResult(Answer.UNREACHABLE, "host unreachable")
            return ProbeResult(Answer.BROKEN, "the connection was closed without an answer")
        except http.client.HTTPException as error:
            return ProbeResult(Answer.BROKEN, f"no HTTP answer ({type(error).__name__})")
        finally:
            connection.close()


def _kind(status: int) -> Answer:
    if status == 200:
        return Answer.OK
    by_hundred = {3: Answer.REDIRECTED, 4: Answer.CLIENT_ERROR, 5: Answer.SERVER_ERROR}
    return by_hundred.get(status // 100, Answer.OTHER)
