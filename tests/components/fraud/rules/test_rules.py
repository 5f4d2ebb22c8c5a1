"""Rule sets: what they say, when they fire, and what a mistake in one is answered with."""

from datetime import UTC, datetime

import pytest

from components.fraud.rules import Fired, RuleSetError, decide, default_rules, load_rules

TEXT = """
name: mine
detector: card
lists:
  blocked: ["C1"]
rules:
  - id: one
    action: review
    text: Why.
    when:
      - {field: amount_minor, at_least: 500}
"""

BASE = {"customer_id": "C2", "terminal_id": "T1", "currency": "EUR", "amount_minor": 100}


def rules_with(*conditions: str, action: str = "review") -> str:
    lines = "".join(f"      - {condition}\n" for condition in conditions)
    head = 'name: mine\ndetector: card\nlists:\n  blocked: ["C1"]\nrules:\n'
    return f"{head}  - id: one\n    action: {action}\n    text: Why.\n    when:\n{lines}"


def fires(
    condition: str, *, features: dict[str, float] | None = None, probability: float = 0.5, **fields: object
) -> bool:
    rules = load_rules(rules_with(condition), features=("customer_count_10m",))
    return bool(rules.evaluate({**BASE, **fields}, features or {}, probability))


@pytest.mark.parametrize(
    ("condition", "fields", "expected"),
    [
        ("{field: amount_minor, at_least: 500}", {"amount_minor": 500}, True),
        ("{field: amount_minor, above: 500}", {"amount_minor": 500}, False),
        ("{field: amount_minor, below: 500}", {"amount_minor": 499}, True),
        ("{field: amount_minor, at_most: 500}", {"amount_minor": 501}, False),
        ("{field: amount_minor, above: 100, below: 200}", {"amount_minor": 150}, True),
        ("{field: customer_id, in: blocked}", {"customer_id": "C1"}, True),
        ("{field: customer_id, in: blocked}", {}, False),
        ("{field: customer_id, not_in: blocked}", {}, True),
        ("{field: currency, in: [USD, GBP]}", {"currency": "GBP"}, True),
        ("{any: [{field: amount_minor, above: 900}, {field: customer_id, in: blocked}]}", {"customer_id": "C1"}, True),
        ("{any: [{field: amount_minor, above: 900}, {field: customer_id, in: blocked}]}", {}, False),
    ],
)
def test_a_condition_holds_as_it_reads(condition: str, fields: dict[str, object], expected: bool) -> None:
    assert fires(condition, **fields) is expected


@pytest.mark.parametrize(("count", "expected"), [(5.0, True), (4.0, False), (float("nan"), False)])
def test_a_velocity_is_compared_by_its_features_name_and_a_missing_one_never_holds(
    count: float, expected: bool
) -> None:
    assert fires("{feature: customer_count_10m, at_least: 5}", features={"customer_count_10m": count}) is expected
    assert not fires("{feature: customer_count_10m, below: 5}")


@pytest.mark.parametrize(
    ("clock", "expected"), [("21:59", False), ("22:00", True), ("23:59", True), ("04:59", True), ("05:00", False)]
)
def test_a_time_of_day_runs_over_midnight_and_is_utc(clock: str, expected: bool) -> None:
    moment = datetime.fromisoformat(f"2026-03-04T{clock}:00+00:00")
    condition = '{field: time_of_day, between: ["22:00", "05:00"]}'
    assert fires(condition, occurred_at=moment) is expected
    assert fires(condition, occurred_at=moment.isoformat()) is expected


def test_every_condition_of_a_rule_must_hold() -> None:
    text = rules_with("{field: amount_minor, above: 10}", "{probability: true, at_least: 0.4}")
    rules = load_rules(text)
    assert rules.evaluate(BASE, {}, 0.4) == [Fired("one", "review", "Why.")]
    assert rules.evaluate(BASE, {}, 0.39) == []


@pytest.mark.parametrize(
    ("model", "actions", "expected"),
    [
        ("accept", (), "accept"),
        ("decline", ("accept",), "accept"),
        ("accept", ("accept", "decline"), "decline"),
        ("accept", ("review",), "review"),
        ("decline", ("review",), "decline"),
        ("decline", ("accept", "review"), "accept"),
    ],
)
def test_deny_beats_allow_beats_model_and_review_never_softens(model: str, actions: tuple, expected: str) -> None:
    assert decide(model, [Fired("x", action, "") for action in actions]) == expected


def test_the_version_is_the_name_with_a_digest_of_the_text() -> None:
    first, same, other = load_rules(TEXT), load_rules(TEXT), load_rules(TEXT.replace("500", "501"))
    assert first.version == same.version != other.version
    assert first.version.startswith("mine@") and len(first.version) == len("mine@") + 12


@pytest.mark.parametrize(
    ("old", "new", "line", "words"),
    [
        ("action: review", "action: reveiw", 8, "'accept', 'review' or 'decline'"),
        ("    text: Why.\n", "", 7, "rules/0/text: is missing"),
        ("at_least: 500", "at_leats: 500", 11, "there is no such key; allowed are above, at_least"),
        ("at_least: 500", "at_least: many", 11, "received 'many'"),
        ("field: amount_minor", "field: amount", 11, "did you mean 'amount_minor'?"),
        ("{field: amount_minor, at_least: 500}", "{feature: customer_count_11m, at_least: 5}", 11, "did you mean"),
        ("{field: amount_minor, at_least: 500}", "{field: customer_id, in: blokced}", 11, "did you mean 'blocked'?"),
        ("{field: amount_minor, at_least: 500}", "{at_least: 5}", 11, "expected one of field, feature, probability"),
        ("{field: amount_minor, at_least: 500}", "{field: amount_minor}", 11, "expected a comparison"),
        (
            "{field: amount_minor, at_least: 500}",
            "{field: customer_id, above: 5}",
            11,
            "does not fit field 'customer_id'",
        ),
        (
            "{field: amount_minor, at_least: 500}",
            "{field: time_of_day, between: [22:00, 05:00]}",
            11,
            "write the times in quotes",
        ),
        (
            "{field: amount_minor, at_least: 500}",
            '{field: time_of_day, between: ["22:00", "25:00"]}',
            11,
            "there is no time of day '25:00'",
        ),
        ("name: mine", "name: mine\nname: yours", 3, "the key 'name' stands twice"),
        ("detector: card", "detector: cards", 3, "'card', 'network' or 'crypto'"),
        ("text: Why.", "text: [Why.", 0, "no YAML"),
        ("detector: card", "detector: card\nowner: me", 4, "allowed are description, detector, lists, name, rules"),
    ],
)
def test_a_mistake_is_answered_with_line_key_and_what_is_allowed(old: str, new: str, line: int, words: str) -> None:
    assert old in TEXT
    with pytest.raises(RuleSetError) as caught:
        load_rules(TEXT.replace(old, new), source="mine.yaml")
    assert words in str(caught.value), caught.value
    assert line in (0, caught.value.line), caught.value
    assert str(caught.value).startswith("mine.yaml")


def test_two_rules_of_one_id_are_refused() -> None:
    second = TEXT[TEXT.index("  - id") :]
    with pytest.raises(RuleSetError, match="line 12: the id 'one' stands twice"):
        load_rules(TEXT + second)


@pytest.mark.parametrize("text", ["", "- a\n- b\n", "just words", "!!python/object/apply:os.system ['true']"])
def test_what_is_no_rule_set_is_refused_and_never_run(text: str) -> None:
    with pytest.raises(RuleSetError):
        load_rules(text)


def test_the_rules_that_ship_find_card_testing_and_nothing_in_an_ordinary_transaction() -> None:
    rules = default_rules()
    now = datetime(2026, 3, 4, 12, tzinfo=UTC)
    quiet = {"customer_count_10m": 0.0, "terminal_risk_30d": 0.0}
    assert rules.evaluate({**BASE, "occurred_at": now}, quiet, 0.1) == []
    found = rules.evaluate({**BASE, "occurred_at": now}, {**quiet, "customer_count_10m": 6.0}, 0.1)
    assert [one.id for one in found] == ["card-testing"]
    assert rules.missing(["customer_count_10m"]) == ["terminal_risk_30d"]
