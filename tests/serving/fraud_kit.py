"""What tests of the fraud predictor need: small detectors that were really trained, and states in a folder."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
from predictor_kit import FolderRegistry, answer_as_told

from components.fraud.cards.events import Event, Label, Transaction, row_from_event
from components.fraud.cards.state import EntityState, apply
from components.fraud.detectors import DETECTORS
from components.release.candidate import make_bundle
from runtime.bundle import Bundle
from runtime.registry.port import ModelVersion

ROWS = 1000
DETECTORS_IN_ORDER = ("card", "network", "crypto")
NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)

FLOW = {"protocol_type": "tcp", "service": "http", "flag": "SF"}
"""Text fields of a connection; the others are numbers."""


def train(folder: Path, detector: str, learner: str = "xgboost", seed: int = 0) -> Path:
    """Train a small real model on rows whose frauds follow from two features; returns the candidate folder."""
    from components.fraud.costs import COSTS
    from components.fraud.training import fit_candidate

    table = _write_table(folder / f"{detector}-{learner}.parquet", detector, seed)
    candidate = folder / f"{detector}-{learner}"
    fit_candidate(
        table,
        candidate,
        detector=detector,
        learner=learner,  # type: ignore[arg-type]
        split=_split(),
        costs=COSTS[detector],
        trials=1,
        seed=seed,
    )
    return candidate


def bundle_of(candidate: Path, output: Path) -> Bundle:
    """Seal a candidate."""
    detector = json.loads((candidate / "candidate.json").read_text())["detector"]
    report = candidate / "report.html"
    report.write_text("<!doctype html><title>report</title>")
    return make_bundle(candidate, output, family="fraud", name=f"fraud-{detector}", report_html=report)


def features(detector: str, rows: int, seed: int = 0) -> np.ndarray:
    """Plausible features [rows, F]: not negative, categories and flags 0 or 1."""
    random = np.random.default_rng([seed, rows])
    fields = {name: field for field in DETECTORS[detector].fields for name in field.features}
    names = DETECTORS[detector].feature_names
    values = np.exp(random.normal(size=(rows, len(names)))).astype(np.float32)
    for column, name in enumerate(names):
        if name in fields and fields[name].kind in ("rate", "flag", "category"):
            values[:, column] = random.integers(0, 2, rows)
    return values


def record(detector: str, seed: int = 0) -> dict[str, object]:
    """A whole record of raw fields."""
    random = np.random.default_rng(seed)
    if detector == "card":
        return {
            "customer_id": "C1",
            "terminal_id": "T1",
            "amount_minor": 4200 + seed,
            "currency": "EUR",
            "occurred_at": NOW.isoformat(),
        }
    made: dict[str, object] = {}
    for field in DETECTORS[detector].fields:
        if field.kind in ("text", "category"):
            made[field.name] = FLOW.get(field.name, "x")
        elif field.kind in ("rate", "flag"):
            made[field.name] = int(random.integers(0, 2))
        elif field.kind != "unused":
            made[field.name] = int(random.integers(0, 50))
    return made


def card_events(count: int = 30, *, seed: int = 0, first_sequence: int = 1) -> list[Event]:
    """Events of customer C1 or of terminal T1 over the last twenty days, some of them labels, with log sequences."""
    random = np.random.default_rng(seed)
    end = int(NOW.timestamp() * 1e6)
    events: list[Event] = []
    for number in range(count):
        at = end - int((count - number) * 20 * 86_400e6 / count)
        customer, terminal = random.choice(["C1", "C2"]), random.choice(["T1", "T2"])
        if customer == "C2" and terminal == "T2":
            terminal = "T1"
        amount, sequence = int(random.integers(100, 9000)), first_sequence + number
        if number % 5 == 4:
            before = at - int(timedelta(days=9).total_seconds() * 1e6)
            events.append(Label(customer, terminal, before, amount, bool(number % 2), at, sequence))
        else:
            events.append(Transaction(customer, terminal, at, amount, sequence))
    return events


def folded(events: Sequence[Event]) -> tuple[EntityState, EntityState]:
    """The states of C1 and T1 after some events."""
    customer, terminal = EntityState.empty(), EntityState.empty()
    for event in events:
        apply(event, customer if event.customer_id == "C1" else None, terminal if event.terminal_id == "T1" else None)
    return customer, terminal


def recent(events: Sequence[Event]) -> list[dict[str, object]]:
    """Events as they travel with a record."""
    return [row_from_event(event) for event in events]


class FolderStates:
    """An online store that is a folder: a file an entity, `down` makes reads fail, `slow` holds seconds of delay."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def put(self, kind: str, name: str, state: EntityState | bytes) -> None:
        """Store a state, as the feature writer does."""
        partial = self.folder / "partial"
        partial.write_bytes(state if isinstance(state, bytes) else state.encode())
        partial.replace(self.folder / f"{kind}-{name}")

    def read(self, customers: Sequence[str], terminals: Sequence[str]) -> tuple[list[bytes | None], list[bytes | None]]:
        """The reader's side."""
        answer_as_told(self.folder)
        return [self._read("customer", name) for name in customers], [
            self._read("terminal", name) for name in terminals
        ]

    def _read(self, kind: str, name: str) -> bytes | None:
        file = self.folder / f"{kind}-{name}"
        return file.read_bytes() if file.exists() else None


class FolderRegistries:
    """A registry of several models: a folder each."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def of(self, name: str) -> FolderRegistry:
        """The one of a model."""
        return FolderRegistry(self.folder / name, name)

    def by_alias(self, name: str, alias: str) -> ModelVersion | None:
        """The champion."""
        return self.of(name).by_alias(name, alias)

    def version(self, name: str, version: str) -> ModelVersion:
        """One version."""
        return self.of(name).version(name, version)

    def download(self, version: ModelVersion, destination: Path) -> Path:
        """Copy the bundle."""
        return self.of(version.name).download(version, destination)


def _write_table(path: Path, detector: str, seed: int) -> Path:
    import pyarrow as pa
    import pyarrow.parquet as pq

    from components.fraud.encoded_table import DIGEST_KEY
    from components.fraud.training.attack_classes import ATTACKS

    chosen = DETECTORS[detector]
    values = features(detector, ROWS, seed)
    random = np.random.default_rng(seed)
    numbers = [i for i, column in enumerate(values.T) if len(np.unique(column)) > 2][:2]
    fraud = np.log(values[:, numbers]).sum(axis=1) - 1 + 0.5 * random.normal(size=ROWS) > 0
    columns = {name: values[:, column] for column, name in enumerate(chosen.feature_names)}
    columns["fraud"] = fraud.astype(np.int8)
    if detector == "card":
        columns["amount_minor"] = (100 * values[:, 0]).astype(np.int64)
    if detector == "network":
        kinds = np.array(ATTACKS)[random.integers(0, len(ATTACKS), ROWS)]
        columns["attack_class"] = np.where(fraud, kinds, "normal")
    table = pa.table(columns).replace_schema_metadata({DIGEST_KEY: chosen.feature_digest.encode()})
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path)
    return path


def _split() -> "object":
    from components.fraud.splits import Split

    place = np.arange(ROWS) % 10
    edges = {"train": (0, 6), "stop": (6, 7), "calibrate": (7, 8), "thresholds": (8, 9), "gate": (9, 10)}
    return Split(**{name: (place >= low) & (place < high) for name, (low, high) in edges.items()})
