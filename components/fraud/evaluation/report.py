"""The evaluation as one HTML page that needs nothing else."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from components.fraud.costs import DECISIONS, Costs
from components.fraud.evaluation import plots
from components.fraud.evaluation.rows import DAY_SECONDS, ScoredRows
from components.fraud.evaluation.scores import Estimate, Scores
from components.pages.figures import data_uri
from components.pages.render import write_page

TEMPLATE = Path(__file__).with_name("report.html.j2")

ROWS_ARE = {"card": "card transactions", "network": "network flows", "crypto": "accounts"}


@dataclass(frozen=True)
class Evaluation:
    """Everything that a page shows."""

    detector: str
    rows: ScoredRows
    scores: Sequence[Scores]
    winner: str
    costs: Costs
    profile: str
    champion_reason: str


@dataclass(frozen=True)
class _Row:
    name: str
    kind: str
    learner: str
    colour: str
    is_winner: bool
    cells: Sequence[tuple[str, str]]


def write_report(path: Path, evaluation: Evaluation) -> None:
    """Write the page, whole or not at all."""
    rows = evaluation.rows
    ordered = sorted(evaluation.scores, key=lambda s: s.estimates["cost"].value)
    winner = next(s for s in ordered if s.contender.name == evaluation.winner)
    write_page(
        path,
        TEMPLATE,
        evaluation=evaluation,
        rows_are=ROWS_ARE.get(evaluation.detector, "rows"),
        count=len(rows.fraud),
        frauds=int(rows.fraud.sum()),
        period=f"{rows.ds.min().item():%Y-%m-%d} to {rows.ds.max().item():%Y-%m-%d}" if rows.has_time else "",
        block=_block(rows),
        headline=_headline(winner, ordered),
        summary=[_row(s, evaluation) for s in ordered],
        by_card=rows.has_time,
        patterns=_patterns(ordered),
        models=[s.contender.name for s in ordered if s.contender.kind != "baseline"],
        confusion=[(s, [list(map(int, line)) for line in s.confusion]) for s in ordered],
        decisions=DECISIONS,
        costs=_cost_words(evaluation.costs),
        images=_images(evaluation, winner),
    )


def _headline(winner: Scores, ordered: Sequence[Scores]) -> str:
    naive = next(s for s in ordered if s.contender.kind == "baseline")
    relative, cost = winner.estimates["relative_cost"], winner.estimates["cost"]
    change = f"{abs(1.0 - relative.value) * 100.0:.1f} % {'less' if relative.value < 1 else 'more'}"
    return (
        f"Its decisions cost {_money(cost.value)} a row, {change} than "
        f"{naive.contender.learner.replace('always', 'to always')} (95 % interval of the ratio {relative.low:.3f} to "
        f"{relative.high:.3f}); it finds {winner.points['recall'] * 100:.1f} % of the frauds by flagging "
        f"{winner.points['alerts_share'] * 100:.2f} % of the rows."
    )


def _row(s: Scores, evaluation: Evaluation) -> _Row:
    points, estimates = s.points, s.estimates
    cells = [
        _interval(estimates["cost"], 1.0, 1),
        _interval(estimates["relative_cost"], 1.0, 3),
        _interval(estimates["auc"], 1.0, 4),
        _interval(estimates["average_precision"], 1.0, 3),
        (f"{points['recall'] * 100:.1f}", ""),
        (f"{points['precision'] * 100:.1f}" if points["precision"] == points["precision"] else "none flagged", ""),
        (f"{points['calibration_error'] * 100:.3f}", ""),
    ]
    if "card_precision_100" in points:
        cells.append((f"{points['card_precision_100'] * 100:.1f}", ""))
    return _Row(
        name=s.contender.name,
        kind=s.contender.kind,
        learner=s.contender.learner,
        colour=plots.colours(evaluation.scores)[s.contender.name],
        is_winner=s.contender.name == evaluation.winner,
        cells=cells,
    )


def _interval(estimate: Estimate, factor: float, digits: int) -> tuple[str, str]:
    value, low, high = (f"{number * factor:,.{digits}f}" for number in (estimate.value, estimate.low, estimate.high))
    return value, f"{low} – {high}"


def _patterns(scores: Sequence[Scores]) -> list[tuple[str, int, list[tuple[str, str]]]]:
    """A line a kind of fraud: its name, its frauds, and recall and average precision of every model."""
    models = [s for s in scores if s.contender.kind != "baseline"]
    lines = []
    for number, first in enumerate(models[0].patterns):
        cells = [
            (f"{s.patterns[number].recall * 100:.1f}", f"{s.patterns[number].average_precision:.3f}") for s in models
        ]
        lines.append((first.pattern.replace("_", " "), first.frauds, cells))
    return lines


def _cost_words(costs: Costs) -> list[tuple[str, str]]:
    missed = "its amount" if costs.missed_minor is None else _money(costs.missed_minor)
    lost = f"{costs.declined_share * 100:g} % of its amount and " if costs.declined_share else ""
    return [
        ("A missed fraud", missed),
        ("A review", _money(costs.review_minor)),
        ("A genuine one declined", f"{lost}{_money(costs.declined_minor)}"),
    ]


def _money(minor: float) -> str:
    return f"{minor:,.1f} minor units" if minor != int(minor) else f"{int(minor):,} minor units"


def _block(rows: ScoredRows) -> str:
    if not rows.has_time:
        return "a group of rows"
    days = rows.block_seconds // DAY_SECONDS
    return "one day" if days == 1 else f"{days} days"


def _images(evaluation: Evaluation, winner: Scores) -> dict[str, str]:
    scores, rows = evaluation.scores, evaluation.rows
    pictures = {
        "roc": plots.roc(scores, rows),
        "precision_recall": plots.precision_recall(scores, rows),
        "calibration": plots.calibration(scores),
        "cost": plots.cost(scores, rows, evaluation.costs),
        "histogram": plots.score_histogram(winner, rows),
    }
    return {name: data_uri(svg) for name, svg in pictures.items()}
