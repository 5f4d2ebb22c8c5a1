"""States of customers and terminals, read together for all that wait, decoded once and kept for a moment.

A kept state is safe because the events that it may lack travel with the request, and its own last sequence says which
of them it holds. It is never older than the time to live: the gateway sends events along for only so long.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass

from components.fraud.cards.state import EntityState, StateError
from feature_repo.fraud_online import CardStateReader
from runtime.logs import get_logger
from serving.errors import UnavailableError
from serving.fraud_cards import CardRow, RowStates, StoredState
from serving.lookup import Lookup

CUSTOMER, TERMINAL = "customer", "terminal"

Key = tuple[str, str]

_PROBE = "predictor-probe"

logger = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Stored:
    """Bytes as they were read and what they hold; None where that cannot be read."""

    data: bytes
    state: EntityState | None


class CardStates:
    """Looks up states.

    Args:
        reader: Gives the reader; called in the thread that reads.
        executor: That thread.
        ttl_seconds: How old a state may be.
        most_kept: How many are kept.
        clock: Seconds that only grow.
    """

    def __init__(
        self,
        reader: Callable[[], CardStateReader],
        executor: Executor,
        *,
        ttl_seconds: float,
        most_kept: int,
        clock: Callable[[], float],
    ) -> None:
        self._reader = reader
        self._lookup: Lookup[Key, _Stored] = Lookup(
            self._read,
            executor,
            ttl_seconds=ttl_seconds,
            grace_seconds=0,
            clock=clock,
            same=lambda before, now: before.data == now.data,
            most_kept=most_kept,
        )

    async def of(self, rows: Sequence[CardRow]) -> list[RowStates]:
        """The states of each row's customer and terminal, empty ones where the store has none.

        Raises:
            UnavailableError: The store cannot be read, or a state in it cannot be.
        """
        keys = [key for row in rows for key in _keys(row)]
        found = dict(zip(keys, await self._lookup.fresh(keys), strict=True))
        return [RowStates(*(_usable(key, found[key]) for key in _keys(row))) for row in rows]

    async def probe(self) -> None:
        """Read a state that need not exist; raise UnavailableError where the store cannot be read."""
        await self._lookup.fresh([(CUSTOMER, _PROBE)])

    def _read(self, keys: Sequence[Key]) -> list[_Stored | None]:
        customers = [name for kind, name in keys if kind == CUSTOMER]
        terminals = [name for kind, name in keys if kind == TERMINAL]
        found = self._reader().read(customers, terminals)
        by_key = {
            (kind, name): data
            for kind, names, states in zip((CUSTOMER, TERMINAL), (customers, terminals), found, strict=True)
            for name, data in zip(names, states, strict=True)
        }
        return [_decoded(key, by_key[key]) for key in keys]


def _keys(row: CardRow) -> tuple[Key, Key]:
    return (CUSTOMER, row.transaction.customer_id), (TERMINAL, row.transaction.terminal_id)


def _decoded(key: Key, data: bytes | None) -> _Stored | None:
    if data is None:
        return None
    try:
        return _Stored(data, EntityState.decode(data))
    except StateError as error:
        logger.error("a stored state cannot be read", kind=key[0], entity=key[1], exc_info=error)
        return _Stored(data, None)


def _usable(key: Key, stored: _Stored | None) -> StoredState:
    if stored is None:
        return StoredState(None, EntityState.empty())
    if stored.state is None:
        raise UnavailableError(
            f"the stored state of {key[0]} {key[1]!r} cannot be read; materialise the states again",
            retry_after_seconds=30,
        )
    return StoredState(stored.data, stored.state)
