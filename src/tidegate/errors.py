"""Every error a user can meet: a code, what happened, what to do, and a page in the manual.

A class is a code. `docs/errors/<code>.md` is its page (a test asserts that each code has one). Whether
an attempt may be repeated is the error's type, never a guess from its text: `RetryableError` or
`PermanentError`. The front doors render errors in one place each; nothing else prints them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar


class TidegateError(Exception):
    """What happened to which thing (`message`), and what to do about it (`hint`).

    `details` are lines of evidence, such as a container's last log lines: they are shown below the
    message and are untrusted text.
    """

    code: ClassVar[str] = "internal-error"
    retryable: ClassVar[bool] = False
    exit_code: ClassVar[int] = 1
    default_hint: ClassVar[str] = ""

    def __init__(self, message: str, *, hint: str | None = None, details: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.hint = self.default_hint if hint is None else hint
        self.details = tuple(details)

    @property
    def page(self) -> str:
        """Where the manual explains this code."""
        return f"docs/errors/{self.code}.md"

    def to_payload(self) -> dict[str, Any]:
        """A JSON object that `from_payload` turns back into the same error."""
        return {
            "code": self.code,
            "message": self.message,
            "hint": self.hint,
            "details": list(self.details),
            "page": self.page,
        }


class PermanentError(TidegateError):
    """Trying again without changing something will fail again."""


class RetryableError(TidegateError):
    """The same attempt may succeed later."""

    retryable = True


def from_payload(payload: Mapping[str, Any]) -> TidegateError:
    """Rebuild an error that crossed the agent's API; an unknown code becomes an internal error."""
    kind = {error.code: error for error in all_errors()}.get(str(payload.get("code")), InternalError)
    return kind(
        str(payload.get("message", "")),
        hint=str(payload.get("hint", "")),
        details=[str(line) for line in payload.get("details", ())],
    )


def all_errors(base: type[TidegateError] = TidegateError) -> Iterator[type[TidegateError]]:
    """Every concrete error class, one a code."""
    for kind in base.__subclasses__():
        if "code" in kind.__dict__:
            yield kind
        yield from all_errors(kind)


class InternalError(PermanentError):
    """A fault of Tidegate's own."""

    code = "internal-error"
    default_hint = "This is a bug in Tidegate. The agent's log has the traceback: tidegate agent status shows where."


# --- the repository and its files ---------------------------------------------------------------


class NotARepository(PermanentError):
    """The command needs a git repository."""

    code = "not-a-repository"
    default_hint = "Run it inside a git repository that has at least one commit, or pass --repo DIR."


class UnknownCommit(PermanentError):
    """A commit is not in this repository."""

    code = "unknown-commit"
    default_hint = "Fetch it first: git fetch --all."


class DirtyWorkTree(PermanentError):
    """There are changes that no commit holds."""

    code = "dirty-work-tree"
    default_hint = "Commit or stash them; --allow-dirty delivers them anyway and marks the release."


class FileMissing(PermanentError):
    """A file that the delivery needs is not in the commit."""

    code = "file-missing"


class InvalidConfiguration(PermanentError):
    """tidegate.yaml or a Compose file says something that cannot be. `details` has one line a fault."""

    code = "invalid-configuration"
    default_hint = "tidegate check shows every fault with its place; tidegate schema serves editors."


class UnknownEnvironment(PermanentError):
    """The environment is not in tidegate.yaml, or the agent has none of that name."""

    code = "unknown-environment"


class FileExists(PermanentError):
    """A file that would be written is there already."""

    code = "file-exists"


# --- building -------------------------------------------------------------------------------------


class BuildFailed(PermanentError):
    """BuildKit could not build an image. `details` has its last lines."""

    code = "build-failed"


class ToolMissing(PermanentError):
    """A program that Tidegate calls is not installed."""

    code = "tool-missing"


class RegistryRefused(PermanentError):
    """The registry denies the credentials or the repository."""

    code = "registry-refused"
    default_hint = "docker login the registry, or set TIDEGATE_REGISTRY_USERNAME and TIDEGATE_REGISTRY_PASSWORD."


class RegistryUnavailable(RetryableError):
    """The registry does not answer."""

    code = "registry-unavailable"
    default_hint = "Check the registry's address in tidegate.yaml and that it is up, then run the command again."


# --- the agent ------------------------------------------------------------------------------------


class AgentUnavailable(RetryableError):
    """The agent does not answer and could not be started."""

    code = "agent-unavailable"


class AgentVersionMismatch(PermanentError):
    """CLI and agent are of versions that do not speak to each other."""

    code = "agent-version-mismatch"
    default_hint = "Restart the agent with this version: tidegate agent stop, then any command starts it."


class AgentElsewhere(PermanentError):
    """Another agent owns this Docker host."""

    code = "agent-elsewhere"


class StoreFailed(RetryableError):
    """The agent's database or its mirror cannot be read or written."""

    code = "store-failed"
    default_hint = "Check that the disk under $TIDEGATE_HOME has room and is writable by the agent's user."


class StoreTooNew(PermanentError):
    """The agent's database was written by a newer version."""

    code = "store-too-new"
    default_hint = "Run the version of Tidegate that wrote it, or a newer one."


class InvalidRequest(PermanentError):
    """A request to the agent that it cannot understand."""

    code = "invalid-request"


class Superseded(PermanentError):
    """A newer request took this one's place while it waited."""

    code = "superseded"
    default_hint = "Nothing was changed by this request; follow the newer one with tidegate status."


class Aborted(PermanentError):
    """The rollout was stopped by tidegate abort."""

    code = "aborted"


class StalePlan(RetryableError):
    """What was observed when the plan was made is no longer so."""

    code = "stale-plan"
    default_hint = "Look at the plan again: tidegate plan ENV."


# --- rolling out ----------------------------------------------------------------------------------


class EngineUnavailable(RetryableError):
    """The container engine does not answer."""

    code = "engine-unavailable"
    default_hint = "Start Docker (systemctl start docker) and check that this user may use its socket."


class EngineRefused(PermanentError):
    """The container engine refused an operation."""

    code = "engine-refused"


class EngineTooOld(PermanentError):
    """The container engine is older than Tidegate needs."""

    code = "engine-too-old"
    default_hint = "Tidegate needs Docker Engine 24 or newer."


class ImageMissing(PermanentError):
    """A digest is neither in the engine nor in its registry."""

    code = "image-missing"


class ReplicaExited(PermanentError):
    """A container ended before it was ready."""

    code = "replica-exited"
    default_hint = "Read its last log lines, mend the application and deploy again; the old release still serves."


class NotReady(PermanentError):
    """A replica did not answer its health path with 200 before the deadline."""

    code = "not-ready"


class NoSuchRelease(PermanentError):
    """The environment has no release of that number."""

    code = "no-such-release"
    default_hint = "tidegate releases ENV lists them."


class NothingToRollBack(PermanentError):
    """There is no earlier release."""

    code = "nothing-to-roll-back"


class NotPromotable(PermanentError):
    """The source environment runs nothing that may be promoted."""

    code = "not-promotable"


class PromoteOnly(PermanentError):
    """The environment takes only what runs in another one."""

    code = "promote-only"


class ConfirmationNeeded(PermanentError):
    """A destructive command was not confirmed."""

    code = "confirmation-needed"


class NameTaken(PermanentError):
    """Something that is not this environment's bears a name that it needs."""

    code = "name-taken"


class NoAddress(PermanentError):
    """The environment's network has no address left for another replica."""

    code = "no-address"


class AccessoryFailed(PermanentError):
    """An accessory ended, or was not healthy in time."""

    code = "accessory-failed"
    default_hint = "Read its last log lines; the application is not started before its accessories are healthy."


class NoEffect(RetryableError):
    """An action was carried out, and what is observed is as before."""

    code = "no-effect"
    default_hint = "Something undoes what Tidegate does, or the engine is not well: tidegate status, docker events."


class HomeUnusable(PermanentError):
    """The agent's home or its settings cannot be used."""

    code = "home-unusable"


class NoSubnet(PermanentError):
    """No free subnet is left in the pool."""

    code = "no-subnet"


# --- the router -----------------------------------------------------------------------------------


class RouteTaken(PermanentError):
    """Another environment serves this host and path."""

    code = "route-taken"


class RouterFailed(RetryableError):
    """HAProxy could not be started, or did not do what it was told."""

    code = "router-failed"


class PortTaken(PermanentError):
    """Another program listens on the router's port."""

    code = "port-taken"
