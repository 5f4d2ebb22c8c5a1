"""Small tables, and real boosted trees exported to ONNX as training leaves them."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.fraud.costs import COSTS, choose_thresholds
from components.fraud.splits import Split

NAMES = ("amount", "speed", "hour")
DIGEST = "a1b2c3d4e5f6"
START = datetime(2026, 1, 1, tzinfo=UTC)
DAYS = 60
ROWS = 6_000


@pytest.fixture(scope="session")
def card_table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """6,000 card transactions over 60 days; two kinds of fraud, each showing in a feature of its own."""
    generator = np.random.default_rng(7)
    occurred = np.sort(generator.uniform(0, DAYS * 86_400, ROWS))
    kind = generator.choice(["", "large_amount", "fast"], ROWS, p=[0.94, 0.03, 0.03])
    amount = generator.gamma(2.0, 20.0, ROWS) + (kind == "large_amount") * 150
    speed = generator.poisson(1.0, ROWS) + (kind == "fast") * generator.poisson(5.0, ROWS)
    times = [START + timedelta(seconds=int(second)) for second in occurred]
    fraud = (kind != "").astype(np.int8)
    moment = pa.timestamp("us", tz="UTC")
    columns = {
        "transaction_id": pa.array([f"t{number}" for number in range(ROWS)]),
        "occurred_at": pa.array(times, moment),
        "customer_id": pa.array([f"c{number}" for number in generator.integers(0, 300, ROWS)]),
        "terminal_id": pa.array([f"x{number}" for number in generator.integers(0, 50, ROWS)]),
        "amount_minor": pa.array((amount * 100).astype(np.int64)),
        "currency": pa.array(["EUR"] * ROWS),
        "fraud": pa.array(fraud, pa.int8()),
        "label_known_at": pa.array([time + timedelta(days=7) for time in times], moment),
        "pattern": pa.array(kind),
        "amount": pa.array(amount, pa.float32()),
        "speed": pa.array(speed, pa.float32()),
        "hour": pa.array(occurred % 86_400 / 3_600, pa.float32()),
    }
    path = tmp_path_factory.mktemp("cards") / "features.parquet"
    table = pa.table(columns).replace_schema_metadata({"feature_digest": DIGEST})
    pq.write_table(table, path, row_group_size=1_000)
    return path


@pytest.fixture(scope="session")
def card_slices() -> Split:
    """Fifths of the table in time order, without embargoes."""
    fifth = np.arange(ROWS) * 5 // ROWS
    return Split(*(fifth == number for number in range(5)))


WriteCandidate = Callable[..., Path]


@pytest.fixture(scope="session")
def write_candidate(card_table: Path, card_slices: Split, tmp_path_factory: pytest.TempPathFactory) -> WriteCandidate:
    """A function that trains boosted trees on the first fifth and leaves what evaluation reads of a candidate."""

    def write(name: str, *, features: tuple[str, ...] = NAMES, seen: tuple[str, ...] = NAMES, **fields: object) -> Path:
        from xgboost import XGBClassifier

        table = pq.read_table(card_table)
        values = np.column_stack([table[column].to_numpy() for column in features]).astype(np.float32)
        values *= np.array([column in seen for column in features], dtype=np.float32)
        fraud = table["fraud"].to_numpy()
        model = XGBClassifier(n_estimators=40, max_depth=3, nthread=1, random_state=0)
        model.fit(values[card_slices.train], fraud[card_slices.train])
        slice_ = card_slices.thresholds
        probability = model.predict_proba(values[slice_])[:, 1]
        chosen = choose_thresholds(probability, table["amount_minor"].to_numpy()[slice_], COSTS["card"])
        folder = tmp_path_factory.mktemp(name)
        (folder / "model.onnx").write_bytes(exported(model, len(features)))
        (folder / "thresholds.json").write_text(json.dumps({"review": chosen.review, "decline": chosen.decline}))
        described = {
            "detector": "card",
            "learner": "xgboost",
            "network": "xgboost",
            "feature_names": features,
            "feature_digest": DIGEST,
            **fields,
        }
        (folder / "candidate.json").write_text(json.dumps(described))
        return folder

    return write


def exported(model: object, width: int) -> bytes:
    """ONNX of boosted trees with the output `probability` [N]."""
    from onnx import TensorProto, helper
    from onnxmltools import convert_xgboost
    from onnxmltools.convert.common.data_types import FloatTensorType

    made = convert_xgboost(model, initial_types=[("features", FloatTensorType([None, width]))], target_opset=15)
    graph = made.graph
    graph.initializer.append(helper.make_tensor("one", TensorProto.INT64, [], [1]))
    graph.node.append(helper.make_node("Gather", ["probabilities", "one"], ["probability"], axis=1))
    del graph.output[:]
    graph.output.append(helper.make_tensor_value_info("probability", TensorProto.FLOAT, ["N"]))
    return bytes(made.SerializeToString())


@pytest.fixture(scope="session")
def trained(write_candidate: WriteCandidate) -> dict[str, Path]:
    """A good candidate, and one that learned from amounts alone."""
    return {"good": write_candidate("good"), "partial": write_candidate("partial", seen=("amount",))}
