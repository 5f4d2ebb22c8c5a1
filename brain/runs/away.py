"""Whether an error of the run store says that its database is away."""


def is_away(error: Exception) -> bool:
    """Whether the database cannot be reached now, rather than that it refuses."""
    from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
    from sqlalchemy.exc import TimeoutError as PoolTimeoutError

    if isinstance(error, OperationalError | InterfaceError | PoolTimeoutError | OSError):
        return True
    return isinstance(error, DBAPIError) and error.connection_invalidated
