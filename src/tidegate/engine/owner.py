"""The one writer of an environment: a thread that takes requests, carries them out, and tends in between.

One request runs; one may wait, and a newer one takes its place. What is running is never interrupted
before it has shifted (but by `abort`), and what follows the shift gives way to what waits.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from tidegate.domain.names import EnvironmentName
from tidegate.engine.change import Change, Work, outcome_of
from tidegate.engine.outside import Memory, Outside, tell_nobody
from tidegate.engine.requests import Request
from tidegate.engine.rollout import bring, has_shifted, look
from tidegate.engine.story import Story
from tidegate.errors import Aborted, AgentUnavailable, InternalError, Superseded, TidegateError

PULSE = 60.0  # seconds after which it looks again though nothing was heard
PATIENCE = (1.0, 2.0, 5.0, 10.0, 30.0, 60.0)  # seconds between attempts to mend what will not be mended
REMEMBERED = 20  # stories that can still be followed


class Stopping(Exception):
    """The agent ends; the next one goes on."""


class Preempted(Exception):
    """A request has come, and mending can wait."""


class Owner:
    """Owns one environment from the agent's start to its end, or to the environment's.

    `keep` persists an event of a rollout, `report` takes faults of our own, `gone` hears of the end.
    """

    def __init__(
        self,
        outside: Outside,
        environment: EnvironmentName,
        *,
        keep: Callable[[int, Mapping[str, Any]], None],
        report: Callable[[BaseException], None],
        gone: Callable[[EnvironmentName], None],
    ) -> None:
        self.environment = environment
        self.memory = Memory()
        self.trouble: TidegateError | None = None  # why the last attempt to mend failed
        self._outside = outside
        self._keep = keep
        self._report = report
        self._gone = gone
        self._change = Change(outside, environment, self.memory, self._check, self._preempted)
        self._lock = threading.Condition()
        self._running: Work | None = None
        self._waiting: Work | None = None
        self._stories: dict[int, Story] = {}
        self._settling: Story | None = None
        self._aborted = False
        self._nudged = True  # look once at the start
        self._stopping = False
        self._ended = False
        self._failures = 0
        self._thread = threading.Thread(target=self._run, name=f"owner-{environment.slug}", daemon=True)

    # --- what others call ---------------------------------------------------------------------------

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def resume(self) -> None:
        """Let an unfinished rollout go on by itself; to be called before `start`."""
        store, now = self._outside.store, self._outside.clock.monotonic()
        intent = store.intent(self.environment)
        for entry in store.history(self.environment):
            if entry.outcome is not None:
                continue
            if intent is not None and entry.id == intent.rollout:
                self._waiting = Work(None, self._story(entry.id), now)
                self._waiting.story.tell("resumed")
            else:  # it waited, or was not accepted yet
                store.finish(entry.id, outcome="failed", error=AgentUnavailable.code, seconds=0.0)

    def submit(self, request: Request) -> Story | None:
        """Take a request; its story begins at once and is told from the owner's thread.

        None: this owner has come to its end, and the environment needs a new one.
        """
        if self._ended:
            return None
        outside = self._outside
        rollout = outside.store.begin(
            self.environment, at=outside.clock.now(), by=request.by, what=request.what, why=request.why, release=None
        )
        work = Work(request, self._story(rollout), outside.clock.monotonic())
        work.story.tell("accepted", what=request.what, environment=str(self.environment), by=request.by)
        with self._lock:
            if self._ended:
                return None
            replaced, self._waiting = self._waiting, work
            ahead = self._running
            self._lock.notify_all()
        if replaced is not None:
            self._end(replaced, Superseded(f"a newer {request.what} by {request.by} took its place"))
        if ahead is not None:
            asked = ahead.request
            behind, by = (asked.what, asked.by) if asked else ("rollout that was interrupted", "")
            work.story.tell("waiting", behind=behind, by=by, rollout_ahead=ahead.story.rollout)
        return work.story

    def abort(self, by: str = "") -> bool:
        """Stop the rollout that runs, as long as the old release still serves. False: there is none."""
        with self._lock:
            work = self._running
            if work is None or has_shifted(self._outside, self.environment) or self._is_destroying():
                return False
            self._aborted = True
        work.story.tell("aborting", by=by)
        return True

    def nudge(self) -> None:
        """Something happened outside: look again."""
        with self._lock:
            self._nudged = True
            self._lock.notify_all()

    def stop(self, timeout: float) -> None:
        """End after the present action; the rollout goes on with the next agent."""
        with self._lock:
            self._stopping = True
            self._lock.notify_all()
        self._thread.join(timeout)

    def story(self, rollout: int) -> Story | None:
        """A rollout's story, as long as it is remembered here."""
        return self._stories.get(rollout)

    @property
    def running(self) -> int | None:
        """The rollout that runs now."""
        work = self._running
        return None if work is None else work.story.rollout

    # --- the thread ---------------------------------------------------------------------------------

    def _run(self) -> None:
        while not self._stopping and not self._ended:
            try:
                self._turn()
            except Stopping:
                return
            except Exception as error:  # neither a fault of ours nor a full disk may end the owner
                self._report(error)
                time.sleep(PATIENCE[0])

    def _turn(self) -> None:
        with self._lock:
            if not (self._waiting or self._nudged or self._stopping):
                self._lock.wait(self._until_due())
            if self._stopping:
                return
            work = self._running = self._waiting
            self._waiting = None
            self._nudged = self._aborted = False
        try:
            if work is None:
                self._tend()
            else:
                self._settle()
                self._carry_out(work)
        finally:
            with self._lock:
                self._running = None
        with self._lock:
            self._ended = self._outside.store.intent(self.environment) is None and self._waiting is None
        if self._ended:
            self._settle()
            self._gone(self.environment)

    def _carry_out(self, work: Work) -> None:
        try:
            outcome = self._change.carry_out(work)
        except Stopping:
            raise
        except Exception as error:
            failure = error if isinstance(error, TidegateError) else self._fault(error)
            serving = self._change.want_back(work)
            work.story.tell("failed", error=failure.to_payload(), serving=serving)
            self._end(work, failure)
        else:
            if self._stopping and outcome == "completed":
                raise Stopping  # what is left of it is the next agent's
            self._end(work, None, outcome)
        self.nudge()

    def _fault(self, error: Exception) -> TidegateError:
        self._report(error)
        return InternalError(f"{type(error).__name__} while rolling out {self.environment}")

    def _check(self) -> None:
        if self._stopping:
            raise Stopping
        if self._aborted:
            raise Aborted(f"the rollout of {self.environment} was aborted")

    def _preempted(self) -> bool:
        return self._stopping or self._waiting is not None

    def _is_destroying(self) -> bool:
        intent = self._outside.store.intent(self.environment)
        return intent is not None and intent.destroy

    def _end(self, work: Work, error: TidegateError | None, outcome: str = "") -> None:
        seconds = round(self._outside.clock.monotonic() - work.began, 3)
        outcome = outcome or (outcome_of(error) if error else "completed")
        try:
            self._outside.store.finish(
                work.story.rollout,
                outcome=outcome,
                error=error.code if error else None,
                seconds=seconds,
                release=work.release,
            )
        except TidegateError as trouble:  # who waits for the end must hear of it all the same
            self._report(trouble)
        told = {"error": error.to_payload()} if error else {}
        work.story.tell("finished", outcome=outcome, release=work.release, seconds=seconds, **told)
        if outcome == "completed":
            self._settling = work.story
        else:
            work.story.tell("settled")

    # --- between requests -----------------------------------------------------------------------------

    def _tend(self) -> None:
        """Mend what drifted, put away what is no longer warm; try again later when that fails."""
        self.memory.forget_attempts()
        try:
            bring(
                self._outside,
                self.environment,
                self.memory,
                tell_nobody,
                check=self._give_way,
                preempted=self._preempted,
            )
            self.trouble, self._failures = None, 0
        except Preempted:
            return
        except TidegateError as error:
            self.trouble = error
            self._failures += 1
        view = look(self._outside, self.environment, self.memory)
        if not view.plan and {r.release for r in view.observed.replicas} <= {view.intent.wanted}:
            self._settle()

    def _give_way(self) -> None:
        if self._preempted():
            raise Preempted

    def _settle(self) -> None:
        if self._settling is not None:
            self._settling.tell("settled")
            self._settling = None

    def _until_due(self) -> float:
        """Seconds until there is something to do without being told."""
        if self._failures:
            return PATIENCE[min(self._failures, len(PATIENCE)) - 1]
        intent = self._outside.store.intent(self.environment)
        if intent is None or intent.wanted is None:
            return PULSE
        release = self._outside.store.release(self.environment, intent.wanted)
        if release is None or not intent.retired:
            return PULSE
        last = max(intent.retired.values()) + timedelta(seconds=release.configuration.strategy.keep_warm)
        return min(PULSE, max(0.1, (last - self._outside.clock.now()).total_seconds()))

    def _story(self, rollout: int) -> Story:
        story = Story(
            rollout,
            now=lambda: self._outside.clock.now().isoformat(timespec="milliseconds"),
            keep=lambda event: self._keep(rollout, event),
        )
        self._stories[rollout] = story
        for old in sorted(self._stories)[:-REMEMBERED]:
            del self._stories[old]
        return story
