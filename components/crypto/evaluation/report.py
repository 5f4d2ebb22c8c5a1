"""The evaluation as one HTML page that needs nothing else: no network, no script, pictures inside."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from components.crypto.dataset import Dataset
from components.crypto.evaluation import plots
from components.crypto.evaluation.rows import ScoredRows
from components.crypto.evaluation.scores import Estimate, Scores
from components.crypto.series import Series
from components.pages.figures import data_uri
from components.pages.render import write_page

TEMPLATE = Path(__file__).resolve().parent.parent / "templates" / "evaluation.html.j2"
CELL_HORIZONS = (1, 6, 24)
FULL_SHADE = 0.08
"""Distance from 1 at which a cell of the table has its full colour."""


@dataclass(frozen=True)
class Evaluation:
    """Everything that a page shows. `examples` are the positions of `Scores.examples` in `rows`."""

    dataset: Dataset
    rows: ScoredRows
    scores: Sequence[Scores]
    winner: str
    slice_name: str
    profile: str
    champion_reason: str
    examples: Sequence[int]


@dataclass(frozen=True)
class _Row:
    name: str
    kind: str
    network: str
    colour: str
    is_winner: bool
    cells: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class _Cell:
    text: str
    shade: str


def write_report(path: Path, evaluation: Evaluation) -> None:
    """Write the page, whole or not at all."""
    write_page(
        path,
        TEMPLATE,
        evaluation=evaluation,
        first=evaluation.dataset.moment(evaluation.rows.rows[evaluation.rows.ds.argmin()]),
        last=evaluation.dataset.moment(evaluation.rows.rows[evaluation.rows.ds.argmax()]),
        symbols=[Series.parse(unique_id).symbol for unique_id in evaluation.dataset.unique_ids],
        summary=_summary(evaluation),
        headline=_headline(evaluation),
        horizons=[h for h in CELL_HORIZONS if h <= evaluation.dataset.horizon_bars],
        contenders=[s.contender.name for s in evaluation.scores if s.contender.name != "unconditional"],
        skill=_skill_table(evaluation),
        images=_images(evaluation),
    )


def _summary(evaluation: Evaluation) -> list[_Row]:
    palette = plots.colours(evaluation.scores)
    ordered = sorted(evaluation.scores, key=lambda s: s.estimates["pinball"].value)
    return [
        _Row(
            name=s.contender.name,
            kind=s.contender.kind,
            network=s.contender.network,
            colour=palette[s.contender.name],
            is_winner=s.contender.name == evaluation.winner,
            cells=[
                _cell(s.estimates["relative_pinball"], 1.0, 3),
                _cell(s.estimates["pinball"], 1e4, 2),
                *(_cell(s.estimates[f"coverage_{percent}"], 100.0, 1) for percent in (50, 80, 95)),
                *(_cell(s.estimates[f"width_{percent}"], 100.0, 2) for percent in (80, 95)),
                _cell(s.estimates["mase"], 1.0, 3),
                _cell(s.estimates["direction"], 100.0, 1),
                _cell(s.estimates["brier"], 1.0, 4),
            ],
        )
        for s in ordered
    ]


def _cell(estimate: Estimate, factor: float, digits: int) -> tuple[str, str]:
    value, low, high = (f"{number * factor:.{digits}f}" for number in (estimate.value, estimate.low, estimate.high))
    return value, f"{low} – {high}"


def _headline(evaluation: Evaluation) -> str:
    winner = next(s for s in evaluation.scores if s.contender.name == evaluation.winner)
    relative = winner.estimates["relative_pinball"]
    gain = abs(1.0 - relative.value) * 100.0
    better = "below" if relative.value < 1.0 else "above"
    return (
        f"Pinball loss {gain:.1f} % {better} unconditional quantiles (relative {relative.value:.3f}, 95 % interval "
        f"{relative.low:.3f} to {relative.high:.3f}); the 80 % interval covered "
        f"{winner.estimates['coverage_80'].value * 100:.1f} %, the 95 % interval "
        f"{winner.estimates['coverage_95'].value * 100:.1f} %."
    )


def _skill_table(evaluation: Evaluation) -> list[tuple[str, list[_Cell]]]:
    """A line a series; for every contender but the reference, a cell a horizon."""
    shown = [s for s in evaluation.scores if s.contender.name != "unconditional"]
    horizons = [h for h in CELL_HORIZONS if h <= evaluation.dataset.horizon_bars]
    present = sorted({int(number) for number in evaluation.rows.series})
    return [
        (
            Series.parse(evaluation.dataset.unique_ids[number]).symbol,
            [_shaded(float(s.relative[number, h - 1])) for s in shown for h in horizons],
        )
        for number in present
    ]


def _shaded(relative: float) -> _Cell:
    strength = min(abs(relative - 1.0) / FULL_SHADE, 1.0)
    colour = "5, 150, 105" if relative < 1.0 else "220, 38, 38"
    return _Cell(f"{relative:.3f}", f"rgba({colour}, {0.55 * strength:.2f})")


def _images(evaluation: Evaluation) -> dict[str, str]:
    winner = next(s for s in evaluation.scores if s.contender.name == evaluation.winner)
    pictures = {
        "skill": plots.skill_by_horizon(evaluation.scores),
        "reliability": plots.reliability(evaluation.scores),
        "pit": plots.pit_histogram(winner),
        "coverage": plots.coverage_by_horizon(winner),
        "widths": plots.widths(evaluation.scores),
        "time": plots.loss_over_time(evaluation.scores, evaluation.rows),
        "fans": plots.fans(winner, evaluation.rows, evaluation.dataset, evaluation.examples),
    }
    return {name: data_uri(svg) for name, svg in pictures.items()}
