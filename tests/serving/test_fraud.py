"""What the fraud predictor answers, asked over HTTP in a process of its own."""

import json
from pathlib import Path

import httpx
import numpy as np
import onnxruntime
import pytest
from fraud_kit import card_events, features, folded, recent, record
from predictor_process import RunningFraud

from components.fraud.cards.events import Transaction
from components.fraud.cards.state import EntityState, card_features
from components.fraud.detectors import DETECTORS
from components.fraud.explain import Explainer
from components.fraud.network.fields import ATTACK_CLASSES
from runtime.moments import microseconds
from serving.fraud_cards import RowStates, StoredState, compute, read_row

Outputs = dict[str, np.ndarray]
DTYPES = {"FP32": np.float32, "FP64": np.float64, "INT64": np.int64}


def rows_input(values: np.ndarray) -> list[dict[str, object]]:
    return [{"name": "features", "datatype": "FP32", "shape": list(values.shape), "data": values.ravel().tolist()}]


def records_input(*records: object) -> list[dict[str, object]]:
    texts = [one if isinstance(one, str) else json.dumps(one) for one in records]
    return [{"name": "record", "datatype": "BYTES", "shape": [len(texts)], "data": texts}]


def outputs_of(answer: httpx.Response) -> Outputs:
    assert answer.status_code == 200, answer.text
    return {
        one["name"]: np.array(one["data"], DTYPES.get(one["datatype"])).reshape(one["shape"])
        for one in answer.json()["outputs"]
    }


def graph(candidate: Path, values: np.ndarray) -> Outputs:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # more threads add up the trees in another order, a few millionths apart
    session = onnxruntime.InferenceSession(candidate / "model.onnx", options)
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, {"features": values.astype(np.float32)}), strict=True))


@pytest.mark.parametrize("detector", ["card", "network", "crypto"])
@pytest.mark.parametrize("rows", [1, 7, 1000])
def test_features_are_scored_as_the_graph_scores_them(
    fraud: RunningFraud, fraud_candidates: dict[str, Path], detector: str, rows: int
) -> None:
    values = features(detector, rows, seed=3)
    found = outputs_of(fraud.infer(f"fraud-{detector}", rows_input(values)))
    expected = graph(fraud_candidates[detector], values)
    for name, answer in expected.items():
        np.testing.assert_allclose(found[name], answer, atol=1e-6)
    np.testing.assert_allclose(found["features"], values, rtol=1e-6)
    assert tuple(found["feature_names"]) == DETECTORS[detector].feature_names
    thresholds = json.loads((fraud_candidates[detector] / "thresholds.json").read_text())
    assert found["thresholds"].tolist() == [thresholds["review"], thresholds["decline"]]
    if detector == "network":
        assert tuple(found["attack_classes"]) == ATTACK_CLASSES
        np.testing.assert_allclose(found["class_probabilities"].sum(axis=1), 1, atol=1e-5)


@pytest.mark.parametrize("detector", ["network", "crypto"])
def test_records_are_encoded_as_training_encodes_them(fraud: RunningFraud, detector: str) -> None:
    records = [record(detector, seed) for seed in range(3)]
    found = outputs_of(fraud.infer(f"fraud-{detector}", records_input(*records)))
    np.testing.assert_array_equal(found["features"], DETECTORS[detector].encode(records))
    assert "state_sequences" not in found


def expected_card(customer: EntityState, terminal: EntityState) -> np.ndarray:
    from fraud_kit import NOW

    return card_features(Transaction("C1", "T1", microseconds(NOW), 4200), customer, terminal)


def test_a_customer_that_nobody_knows_is_judged_by_the_transaction_alone(fraud: RunningFraud) -> None:
    stranger = {**record("card"), "customer_id": "nobody", "terminal_id": "nowhere"}
    found = outputs_of(fraud.infer("fraud-card", records_input(stranger)))
    np.testing.assert_array_equal(found["features"][0], expected_card(EntityState.empty(), EntityState.empty()))
    assert found["state_sequences"].tolist() == [[-1, -1]]


@pytest.mark.parametrize("mirrored", [0, 7, 19, 30])
def test_stored_states_and_recent_events_meet_wherever_the_mirror_stands(fraud: RunningFraud, mirrored: int) -> None:
    """Events that the states hold travel along too, as they do while a state may be a moment old."""
    events = card_events(30, seed=5)
    customer, terminal = folded(events[:mirrored])
    own, here = f"C-{mirrored}", f"T-{mirrored}"
    fraud.states.put("customer", own, customer)
    fraud.states.put("terminal", here, terminal)
    renamed = {"C1": own, "T1": here}
    travelling = [
        {name: renamed.get(str(value), value) for name, value in event.items()}
        for event in recent(events[max(0, mirrored - 10) :])
    ]
    sent = {**record("card"), "customer_id": own, "terminal_id": here, "recent": travelling}
    found = outputs_of(fraud.infer("fraud-card", records_input(sent)))
    np.testing.assert_array_equal(found["features"][0], expected_card(*folded(events)))
    assert found["state_sequences"].tolist() == [[customer.last_sequence, terminal.last_sequence]]


def test_rows_of_a_batch_see_the_rows_that_travel_with_them_and_no_others(fraud: RunningFraud) -> None:
    earlier = Transaction("C9", "T9", 1_780_000_000_000_000, 700)
    plain = {**record("card"), "customer_id": "C9", "terminal_id": "T9"}
    rows = [plain, {**plain, "recent": recent([earlier])}, plain]
    found = outputs_of(fraud.infer("fraud-card", records_input(*rows)))["features"]
    names = DETECTORS["card"].feature_names
    assert found[:, names.index("customer_count_30d")].tolist() == [0, 1, 0]
    np.testing.assert_array_equal(found[0], found[2])


def test_rows_computed_together_are_the_same_bits_as_row_by_row() -> None:
    card, rows, states = DETECTORS["card"], [], []
    for number in range(40):
        events = card_events(30, seed=number)
        customer, terminal = folded(events[:number])
        sent = {**record("card", number), "recent": recent(events[number:])}
        rows.append(read_row(card, sent, number))
        stored = [StoredState(one.encode(), one) for one in (customer, terminal)]
        states.append(RowStates(*stored))
    together, sequences = compute(rows, states)
    for number, (row, own) in enumerate(zip(rows, states, strict=True)):
        expected = card_features(row.transaction, *folded(card_events(30, seed=number)))
        np.testing.assert_array_equal(together[number], expected)
        assert sequences[number].tolist() == [own.customer.state.last_sequence, own.terminal.state.last_sequence]
    again, _ = compute(rows, states)
    np.testing.assert_array_equal(again, together, "the states that requests share were changed")


@pytest.mark.parametrize("detector", ["card", "network"])
def test_an_explanation_adds_up_to_the_score_and_is_the_native_models(
    fraud: RunningFraud, fraud_candidates: dict[str, Path], detector: str
) -> None:
    values = features(detector, 6, seed=9)
    answer = fraud.infer(f"fraud-{detector}", rows_input(values), explain=True)
    found = outputs_of(answer)
    learner = answer.json()["parameters"]["learner"]
    unit = answer.json()["parameters"]["contribution_unit"]
    total = found["expected"] + found["contributions"].sum(axis=1)
    score = 1 / (1 + np.exp(-total)) if unit == "log_odds" else total
    np.testing.assert_allclose(score, found["score"], atol=1e-4)
    added, expected = Explainer(fraud_candidates[detector] / "native", learner).contributions(values)
    np.testing.assert_allclose(found["contributions"], added, atol=1e-6)
    np.testing.assert_allclose(found["expected"], expected, atol=1e-6)
    plain = outputs_of(fraud.infer(f"fraud-{detector}", rows_input(values)))
    assert not {"contributions", "expected"} & plain.keys()


def test_an_explanation_that_misses_the_deadline_is_504_and_the_next_one_comes(fraud: RunningFraud) -> None:
    import time

    values = features("network", 600, seed=2)
    body = {"inputs": rows_input(values), "parameters": {"explain": True}}
    late = httpx.post(
        f"{fraud.url}/v2/models/fraud-network/infer",
        json=body,
        headers={"X-Deadline": str(time.time() + 0.25)},
        timeout=30,
    )
    assert (late.status_code, "deadline" in late.text) == (504, True)
    assert fraud.infer("fraud-network", rows_input(values[:2]), explain=True).status_code == 200


CARD_FAULTS = [
    ({"amount_minor": -5}, "row 0: /amount_minor must not be negative"),
    ({"amount_minor": 12.5}, "whole number"),
    ({"amount_minor": None}, "/amount_minor must be a number"),
    ({"customer_id": ""}, "/customer_id must be a text"),
    ({"terminal": "T1"}, "/terminal is no field"),
    ({"occurred_at": "yesterday"}, "RFC 3339"),
    ({"recent": {}, "amount_minor": 1}, None),
    ({"recent": [1]}, "/recent must be a list"),
    ({"recent": [{"type": "refund"}]}, "/recent/0: "),
    ({"recent": recent([Transaction("C7", "T7", 0, 1, 1)])}, "neither its customer nor its terminal"),
]


@pytest.mark.parametrize(("change", "told"), CARD_FAULTS)
def test_a_card_that_cannot_be_is_refused_naming_row_and_field(
    fraud: RunningFraud, change: dict[str, object], told: str | None
) -> None:
    answer = fraud.infer("fraud-card", records_input({**record("card"), **change}))
    assert answer.status_code == (200 if told is None else 422), answer.text
    if told is not None:
        assert told in answer.json()["error"]


def test_a_wrong_record_of_many_is_named_by_its_row(fraud: RunningFraud) -> None:
    records = [record("network", seed) for seed in range(3)]
    records[2] = {**records[2], "src_bytes": -1, "durration": 3}
    told = fraud.infer("fraud-network", records_input(*records)).json()["error"]
    assert "row 2" in told
    assert "/durration is no field" in told
    assert "'duration'" in told
    assert "/src_bytes must not be negative, received -1" in told


@pytest.mark.parametrize(
    ("inputs", "status", "told"),
    [
        ([], 400, "list of tensors"),
        (rows_input(np.zeros((1, 3), np.float32)), 422, r"received FP32 [1, 3]"),
        (rows_input(np.zeros((1001, 57), np.float32)), 422, "1 to 1000 rows, received 1001"),
        ([{"name": "record", "datatype": "BYTES", "shape": [0], "data": []}], 422, "received 0"),
        ([{"name": "record", "datatype": "BYTES", "shape": [1], "data": ["{"]}], 422, "row 0 is no JSON"),
        ([{"name": "record", "datatype": "BYTES", "shape": [1], "data": ["[]"]}], 422, "row 0 is no JSON object"),
        ([*records_input({}), *rows_input(np.zeros((1, 3)))], 400, "expected one input"),
    ],
)
def test_a_request_of_the_wrong_form_says_what_was_wrong(
    fraud: RunningFraud, inputs: list[dict[str, object]], status: int, told: str
) -> None:
    answer = fraud.infer("fraud-card", inputs)
    assert answer.status_code == status, answer.text
    assert told in answer.json()["error"]


def test_explain_that_is_no_truth_value_is_refused(fraud: RunningFraud) -> None:
    answer = fraud.infer("fraud-card", records_input(record("card")), explain="yes")
    assert (answer.status_code, "true or false" in answer.text) == (400, True)


@pytest.mark.parametrize(
    ("value", "told"), [(np.nan, "may not be missing"), (np.inf, "must be finite"), (-1.0, "between 0")]
)
def test_raw_features_that_cannot_be_are_refused_naming_the_feature(
    fraud: RunningFraud, value: float, told: str
) -> None:
    values = features("card", 2)
    values[1, 0] = value
    head = {
        "inputs": [
            {
                "name": "features",
                "datatype": "FP32",
                "shape": list(values.shape),
                "parameters": {"binary_data_size": values.nbytes},
            }
        ]
    }
    text = json.dumps(head).encode()
    answer = httpx.post(
        f"{fraud.url}/v2/models/fraud-card/infer",
        content=text + values.tobytes(),
        headers={"Inference-Header-Content-Length": str(len(text))},
    )
    assert answer.status_code == 422
    assert "row 1, 'amount'" in answer.json()["error"]
    assert told in answer.json()["error"]


def test_a_missing_optional_field_is_a_missing_value_in_the_answer(fraud: RunningFraud) -> None:
    whole = record("crypto")
    optional = next(
        field.name for field in DETECTORS["crypto"].fields if not field.required and field.features == (field.name,)
    )
    found = outputs_of(fraud.infer("fraud-crypto", records_input({k: v for k, v in whole.items() if k != optional})))
    column = DETECTORS["crypto"].feature_names.index(optional)
    assert np.isnan(found["features"][0, column])
    assert 0 <= found["probability"][0] <= 1
