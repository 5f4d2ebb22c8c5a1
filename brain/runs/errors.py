"""What the run store refuses."""


class RunNotFoundError(LookupError):
    """There is no such run, or it is another caller's."""

    def __init__(self, run_id: str) -> None:
        super().__init__(f"there is no run {run_id!r}")
        self.run_id = run_id


class RunEndedError(RuntimeError):
    """A run in a terminal state was asked to change."""

    def __init__(self, run_id: str, state: str) -> None:
        super().__init__(f"run {run_id!r} has {state} already")
        self.run_id = run_id
        self.state = state


class KeyUsedError(RuntimeError):
    """An idempotency key came again with another request."""

    def __init__(self, key: str, run_id: str) -> None:
        super().__init__(f"Idempotency-Key {key!r} was used for another request, which made run {run_id!r}")
        self.run_id = run_id


class NoRunStoreError(ValueError):
    """No database is set where the embedded one is not allowed."""

    def __init__(self) -> None:
        super().__init__(
            "the run store has no database: set BRAIN_DATABASE_URL where AIO_ENVIRONMENT is not local, "
            "postgresql://… for any number of processes, sqlite:///PATH for one gateway and one worker"
        )


class LeaseLostError(RuntimeError):
    """Another worker has taken the run over, or it ended; nothing of the commit was kept."""

    def __init__(self, run_id: str, epoch: int) -> None:
        super().__init__(f"run {run_id!r} is no longer held under epoch {epoch}; drop what was done for it since")
        self.run_id = run_id
        self.epoch = epoch
