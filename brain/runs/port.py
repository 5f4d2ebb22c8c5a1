"""What a run is, and what a store of runs does."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, Protocol

from brain.runs.presence import Beat, SeenWorker

RunState = Literal["queued", "running", "cancelling", "succeeded", "failed", "cancelled"]
TaskState = Literal["waiting", "running", "succeeded", "failed", "skipped", "cancelled", "outcome_unknown"]
Priority = Literal["low", "normal", "high", "critical"]

ACTIVE: tuple[RunState, ...] = ("queued", "running", "cancelling")
TERMINAL: tuple[RunState, ...] = ("succeeded", "failed", "cancelled")
PRIORITIES: tuple[Priority, ...] = ("low", "normal", "high", "critical")
"""Ascending."""


@dataclass(frozen=True)
class Progress:
    """How far a run has come; `total` is None while nobody knows."""

    done: int = 0
    total: int | None = None
    unit: str = ""
    message: str = ""


@dataclass(frozen=True)
class Reused:
    """The result of a task of an earlier run; it may be None as any result may."""

    result: object


@dataclass(frozen=True)
class NewTask:
    """A task of a run that is about to be accepted.

    Attributes:
        id: Its name within the run.
        type: What it asks for.
        parameters: As they were given; references to other tasks' results stand in them as text.
        after: Ids of tasks of this run that end before it begins.
        options: What the engine reads: `when`, `deadline` (ISO 8601 with its offset), `retries`, `on_unknown`.
        estimate_minor: What it is expected to cost, in minor units.
        estimate_seconds: How long its call is expected to take.
        reused: The result that it brings along; it has succeeded from the start then, and costs nothing.
    """

    id: str
    type: str
    parameters: Mapping[str, object] = field(default_factory=dict)
    after: tuple[str, ...] = ()
    options: Mapping[str, object] = field(default_factory=dict)
    estimate_minor: int = 0
    estimate_seconds: float = 0.0
    reused: Reused | None = None


@dataclass(frozen=True)
class NewRun:
    """A run that is about to be accepted.

    Attributes:
        id: Unique for ever.
        kind: Such as `orchestration`.
        owner: The caller, who alone sees it.
        request: What was asked, for the record and for retries.
        request_digest: Tells whether two requests ask the same.
        deadline: When it must have ended; None: never.
        budget_minor: What it may cost, in minor units; None: no limit.
        budget_seconds: How long its calls may take, all together; None: no limit.
        retry_of: The run whose finished results it reuses.
    """

    id: str
    kind: str
    owner: str
    request: Mapping[str, object]
    request_digest: str
    tasks: Sequence[NewTask] = ()
    priority: Priority = "normal"
    idempotency_key: str | None = None
    deadline: datetime | None = None
    budget_minor: int | None = None
    retry_of: str | None = None
    budget_seconds: float | None = None


@dataclass(frozen=True)
class Task:
    """A task with what has become of it.

    Attributes:
        attempt: Number of its last start, 0 before the first.
        lost: How many of its starts a dead worker took with it.
        due_at: Not started before then.
        cost_minor: What its calls have cost, in minor units.
        seconds: How long its calls have taken, all together.
        started_at: Of its last start.
        reused: Its result is an earlier run's.
    """

    id: str
    type: str
    parameters: Mapping[str, object]
    after: tuple[str, ...]
    options: Mapping[str, object]
    estimate_minor: int
    state: TaskState = "waiting"
    attempt: int = 0
    due_at: datetime | None = None
    result: object = None
    error: Mapping[str, object] | None = None
    cost_minor: int = 0
    started_at: datetime | None = None
    finished_at: datetime | None = None
    estimate_seconds: float = 0.0
    seconds: float = 0.0
    lost: int = 0
    reused: bool = False


@dataclass(frozen=True)
class Run:
    """A run as it stands; `reason` says more than its state where there is more to say."""

    id: str
    kind: str
    owner: str
    priority: Priority
    state: RunState
    reason: str
    progress: Progress
    request: Mapping[str, object]
    request_digest: str
    result: object
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    deadline: datetime | None
    retry_of: str | None
    budget_minor: int | None
    spent_minor: int
    epoch: int
    """Raised by each claim; a commit under an older one is refused."""

    budget_seconds: float | None = None
    spent_seconds: float = 0.0


@dataclass(frozen=True)
class Claimed:
    """A run that a worker holds until `lease_until`."""

    run: Run
    tasks: Sequence[Task]
    epoch: int
    lease_until: datetime


@dataclass(frozen=True)
class TaskChange:
    """What becomes of a task; None leaves a field as it is, but for `due_at`, which is cleared.

    Attributes:
        id: Which task.
        state: `waiting` puts it back for another start.
        attempt: Number of the start.
        due_at: Not to be started before then.
        result: With `succeeded`.
        error: A problem, with what did not succeed, and with `waiting` after a start that failed.
        cost_minor: What a call cost; added to the task's and the run's.
        seconds: How long a call took; added likewise.
        lost: How many starts dead workers have taken with them, in all.
    """

    id: str
    state: TaskState
    attempt: int | None = None
    due_at: datetime | None = None
    result: object = None
    error: Mapping[str, object] | None = None
    cost_minor: int | None = None
    seconds: float | None = None
    lost: int | None = None


@dataclass(frozen=True)
class RunEvent:
    """Something that happened to a run; `number` grows from 1 within it."""

    run_id: str
    number: int
    at: datetime
    event: str
    body: Mapping[str, object]


@dataclass(frozen=True)
class Page:
    """Runs, newest first; `cursor` asks for the next page, None where there is none."""

    runs: Sequence[Run]
    cursor: str | None


@dataclass(frozen=True)
class Duration:
    """How long a task's last call took, and how it ended: seconds of one that did not succeed are a lower bound."""

    type: str
    state: TaskState
    seconds: float
    kind: str
    finished_at: datetime
    estimate_seconds: float = 0.0
    """What it was expected to take; 0: nothing was expected."""


@dataclass(frozen=True)
class RunTimes:
    """How long a run waited and worked, without what it was about.

    Attributes:
        kind: Of the run.
        state: As it is.
        priority: Of the run.
        waited_seconds: Until it began; where it did not, until it ended or until now.
        ran_seconds: From its beginning to its end or until now; None where it has not begun.
        spent_minor: In minor units.
        ended_seconds_ago: 0 where it has not ended.
    """

    kind: str
    state: RunState
    priority: Priority
    waited_seconds: float
    ran_seconds: float | None
    spent_minor: int
    ended_seconds_ago: float = 0.0


@dataclass(frozen=True)
class Counts:
    """How many runs there are, by (kind, state, priority), and for how long the oldest queued one has waited."""

    runs: Mapping[tuple[str, RunState, Priority], int]
    oldest_queued_seconds: float | None


@dataclass(frozen=True)
class Standing:
    """How far a run has come: the number of its last event, and its state then."""

    number: int
    state: RunState


class RunStore(Protocol):
    """Every change is durable when its call returns; times are the database's."""

    def create(self, new: NewRun) -> Run:
        """Accept a run, or give back the one that the same key and request made within 24 hours.

        Raises:
            KeyUsedError: The key came with another request.
        """
        ...

    def get(self, run_id: str, owner: str | None = None) -> Run:
        """One run; `RunNotFoundError` where there is none, or it is not `owner`'s."""
        ...

    def tasks(self, run_id: str) -> Sequence[Task]:
        """Its tasks, in the order in which they were given."""
        ...

    def list(
        self,
        owner: str | None = None,
        *,
        kind: str | None = None,
        state: RunState | None = None,
        cursor: str | None = None,
        limit: int = 50,
    ) -> Page:
        """Runs, newest first; `ValueError` for a cursor that this store did not give."""
        ...

    def events(self, run_id: str, after: int = 0, limit: int = 100) -> Sequence[RunEvent]:
        """What happened after an event, ascending."""
        ...

    def ask_cancel(self, run_id: str, owner: str | None = None) -> Run:
        """Ask an active run to stop, as often as one likes; what waits in the queue stops at once.

        Raises:
            RunNotFoundError: As `get`.
            RunEndedError: It has ended.
        """
        ...

    def durations(self, since: datetime, limit: int = 10_000) -> Sequence[Duration]:
        """Calls of tasks that succeeded, failed or were cancelled since a moment, newest first."""
        ...

    def times(self, since: datetime, limit: int = 10_000) -> Sequence[RunTimes]:
        """Runs that are active or have ended since a moment, newest first."""
        ...

    def counts(self) -> Counts:
        """How many runs there are, and for how long the oldest has been queued."""
        ...

    def expire(self, limit: int = 100) -> Sequence[str]:
        """End queued runs whose deadline has passed, as `failed` with reason `expired`; the ids of those that ended."""
        ...

    def claimable(self, kinds: Sequence[str]) -> bool:
        """Whether a claim would find a run now; waits for no writer."""
        ...

    def asked_to_stop(self, holder: str) -> Sequence[str]:
        """Ids of runs that a worker holds and that are cancelling."""
        ...

    def claim(self, holder: str, lease_seconds: float, kinds: Sequence[str]) -> Claimed | None:
        """Take the run that is next; None where none waits.

        Runs whose holder's lease has ended come first, the oldest of them. Then the caller that has been served least
        for its weight, and of its runs the one of the highest priority, where ten minutes of waiting count as a class.
        """
        ...

    def renew(self, claimed: Claimed, lease_seconds: float) -> Claimed:
        """Hold a run longer; its run may have come to `cancelling` meanwhile. `LeaseLostError` where it is lost."""
        ...

    def commit(
        self,
        claimed: Claimed,
        changes: Sequence[TaskChange] = (),
        *,
        state: RunState | None = None,
        reason: str | None = None,
        result: object = None,
        progress: Progress | None = None,
        event: str | None = None,
    ) -> Run:
        """Record what was done under a lease, all of it or nothing.

        Args:
            claimed: Under which lease.
            changes: What has become of tasks.
            state: A terminal state ends the run, also one that is cancelling: what finishes first wins.
            reason: Finer than the state.
            result: With a terminal state.
            progress: How far it is now.
            event: Name of the event that tells of it; by default `progress`, or the state.

        Raises:
            LeaseLostError: The lease has ended, another holds the run, or it has ended.
        """
        ...

    def release(self, claimed: Claimed, until: datetime | None = None) -> None:
        """Give a run back unfinished, so that nothing more can be committed under this lease.

        The next claim may take it at once, or from `until` on where nothing is to be done before; a caller who asks to
        cancel does not wait for that. What was lost already is let go silently.
        """
        ...

    def standings(self, run_ids: Collection[str]) -> Mapping[str, Standing]:
        """How far each run has come, by id; runs that there are not are left out."""
        ...

    def beat(self, beat: Beat) -> None:
        """Note that a worker lives; see `brain.runs.presence`."""
        ...

    def leave(self, worker_id: str) -> None:
        """Forget a worker that ends."""
        ...

    def seen_workers(self) -> Sequence[SeenWorker]:
        """Workers of the last day that have not left, those seen last first."""
        ...

    def close(self) -> None:
        """Close the connections."""
        ...
