"""The loop: read the log after the cursor, fold, write the states, move the cursor."""

import math
import threading
import time

from components.fraud.feature_writer.folding import CARD_STREAM, Touched, readable
from components.fraud.feature_writer.probes import Vitals
from components.fraud.feature_writer.settings import FeatureWriterSettings
from feature_repo import names
from feature_repo.fraud_online import CardStatesMissingError, FeastCardStates, StateStoreUnavailableError
from feature_repo.writer_lock import WriterBusyError, writing
from runtime.decision_log import DecisionLog
from runtime.logs import get_logger

_TIDY_SECONDS = 3600.0

_log = get_logger(__name__)


def write_features(
    log: DecisionLog,
    stop: threading.Event,
    settings: FeatureWriterSettings | None = None,
    profile: str | None = None,
    vitals: Vitals | None = None,
) -> int:
    """Follow the log until `stop` is set; the batch in hand is finished first.

    Killed at any point, nothing is lost or counted twice: the cursor moves last, and states skip what they hold. Any
    number of writers may run; each batch is written under the store's lock, from the cursor as it stands then. A store
    or a database that is down is tried again, with growing pauses, for as long as it takes.

    Args:
        log: The decision log.
        stop: Ends the loop.
        settings: None reads the environment.
        profile: Feature store profile; None follows the environment.
        vitals: Told of every turn.

    Returns:
        Number of events that were folded.

    Raises:
        FeatureStoreConfigError: The profile cannot be opened.
        StateError: The store holds bytes that are no state of this code's layout.
    """
    return _Follower(log, settings or FeatureWriterSettings(), profile, vitals).follow(stop)


class _Follower:
    def __init__(
        self, log: DecisionLog, settings: FeatureWriterSettings, profile: str | None, vitals: Vitals | None
    ) -> None:
        self._log = log
        self._vitals = vitals
        self._settings = settings
        self._profile = profile
        self._states: FeastCardStates | None = None
        self._touched_at = -math.inf
        self._tidied_at = -math.inf

    def follow(self, stop: threading.Event) -> int:
        from sqlalchemy.exc import SQLAlchemyError

        folded, pause = 0, 0.0
        while not stop.is_set():
            try:
                count = self._step()
                if self._vitals is not None:
                    lag = self._log.head(CARD_STREAM) - self._log.cursor(names.card_digest_cursor())
                    self._vitals.wrote(count, max(0, lag))
            except (StateStoreUnavailableError, WriterBusyError, SQLAlchemyError, OSError) as error:
                pause = min(max(self._settings.idle_seconds, pause * 2), self._settings.longest_pause_seconds)
                if self._vitals is not None:
                    self._vitals.failed(_told(error))
                _log.warning("features are not written", reason=_cause(error), next_try_in_seconds=round(pause, 2))
                stop.wait(pause)
                continue
            if pause:
                _log.info("features are written again")
            folded, pause = folded + count, 0.0
            if count < self._settings.batch_events:
                stop.wait(self._settings.idle_seconds)
        return folded

    def _step(self) -> int:
        """Fold one batch; the number of events that it held."""
        if self._states is None:
            self._states = open_states(self._profile, self._settings.lock_seconds)
        if not self._log.read(CARD_STREAM, self._log.cursor(names.card_digest_cursor()), 1):
            self._give_sign_of_life()
            self._tidy()
            return 0
        with writing(self._states.store, "follow the decision log", self._settings.lock_seconds):
            return fold_batch(self._log, self._states, self._settings.batch_events)

    def _give_sign_of_life(self) -> None:
        if time.monotonic() - self._touched_at >= self._settings.heartbeat_seconds:
            move_cursors(self._log, self._log.cursor(names.card_digest_cursor()))
            self._touched_at = time.monotonic()

    def _tidy(self) -> None:
        """The one process that always runs beside the log also forgets the keys that have run out."""
        if time.monotonic() - self._tidied_at >= _TIDY_SECONDS:
            self._log.forget_keys()
            self._tidied_at = time.monotonic()


def fold_batch(log: DecisionLog, states: FeastCardStates, most: int) -> int:
    """Fold what comes after the cursor; the store's writer lock must be held. Returns the number of events."""
    logged = log.read(CARD_STREAM, log.cursor(names.card_digest_cursor()), most)
    if logged:
        events = readable(logged)
        touched = Touched.read(states, events)
        touched.fold(events)
        touched.write(states)
        move_cursors(log, logged[-1].sequence)
    return len(logged)


def move_cursors(log: DecisionLog, sequence: int) -> None:
    """Say that the states of this code's digest hold every event up to a sequence.

    The cursor that the gateway reads follows; while new definitions are still behind the old ones, it stands.
    """
    log.set_cursor(names.card_digest_cursor(), sequence)
    log.set_cursor(names.CARD_CURSOR, sequence)


def open_states(profile: str | None, lock_seconds: float) -> FeastCardStates:
    """Open the states of this code's digest; registers their views where the store has none.

    Raises:
        StateStoreUnavailableError: Registry or online store did not answer.
        WriterBusyError: Another writer held the store for too long.
    """
    try:
        states = FeastCardStates(profile=profile)
    except CardStatesMissingError:
        from feature_repo.store import apply, open_store

        store = open_store(profile)
        with writing(store, "register card states", lock_seconds):
            apply(store)
        states = FeastCardStates(profile=profile)
    states.let_readers_pass()
    return states


def _told(error: Exception) -> str:
    """What a probe may tell: our own words, but only the kind of what a driver says."""
    own = isinstance(error, StateStoreUnavailableError | WriterBusyError)
    return str(error) if own else f"the decision log's database or the disk failed: {type(error).__name__}"


def _cause(error: Exception) -> str:
    return str(error) if error.__cause__ is None else f"{error} ({error.__cause__})"
