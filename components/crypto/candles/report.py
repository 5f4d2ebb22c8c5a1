"""What an ingestion brought and what was wrong with it."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

from components.crypto.candles.backfill import BackfillCounts
from components.crypto.candles.port import CandlePage
from components.crypto.candles.quality import Gap, find_gaps
from components.crypto.series import Timeframe
from runtime.moments import moment

SHOWN_GAPS = 10


@dataclass(frozen=True)
class SeriesReport:
    """One series.

    Attributes:
        rows: Candles written.
        first: Open time of the oldest, None where there is none.
        last: Open time of the newest.
        gaps: Runs of missing bars between them.
        missing_bars: Bars in those runs.
        longest_gaps: The longest few, longest first.
        pages: Pages received this time.
        received: Candles in those pages; the next five count what was wrong with them, as `PageFindings` does.
        added: Bars that were not stored before.
        revised: Stored bars that the source now gives with other values.
    """

    rows: int
    first: datetime | None
    last: datetime | None
    gaps: int
    missing_bars: int
    longest_gaps: Sequence[Gap]
    pages: int
    received: int
    duplicates: int
    conflicts: int
    dropped_open: int
    misaligned: int
    out_of_order: int
    added: int
    revised: int


@dataclass(frozen=True)
class IngestReport:
    """One ingestion; `data_digest` is of the candles written, whatever file they stand in."""

    source: str
    exchange: str
    market: str
    quote: str
    timeframe: str
    source_clock: datetime
    rows: int
    data_digest: str
    series: Mapping[str, SeriesReport]

    def to_dict(self) -> dict[str, object]:
        """Plain JSON types; times in RFC 3339."""
        return {name: _plain(value) for name, value in asdict(self).items()}

    def to_markdown(self) -> str:
        """A page for a person."""
        lines = [
            f"# Candles from {self.source}",
            "",
            f"{self.rows:,} candles of {self.timeframe}, {self.exchange}:{self.market} in {self.quote}; "
            f"the source's clock stood at {self.source_clock:%Y-%m-%d %H:%M:%S} UTC.",
            f"Data digest `{self.data_digest}`.",
            "",
            "| series | rows | first | last | gaps | missing bars | new | revised "
            "| duplicates | conflicts | still open | misaligned | out of order |",
            "|---|--:|---|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|",
            *[_markdown_row(unique_id, series) for unique_id, series in self.series.items()],
        ]
        gaps = [(unique_id, gap) for unique_id, series in self.series.items() for gap in series.longest_gaps]
        if gaps:
            lines += [
                "",
                "## Longest gaps",
                "",
                "| series | first missing | last missing | bars |",
                "|---|---|---|--:|",
            ]
            lines += [
                f"| {unique_id} | {_time(gap.first)} | {_time(gap.last)} | {gap.bars} |" for unique_id, gap in gaps
            ]
        return "\n".join(lines) + "\n"


def series_report(page: CandlePage, timeframe: Timeframe, counts: BackfillCounts) -> SeriesReport:
    """Describe one series' sorted candles and the backfill that brought them up to date."""
    gaps = find_gaps(page, timeframe)
    found = counts.findings
    return SeriesReport(
        rows=len(page),
        first=moment(int(page.opened_us[0])) if len(page) else None,
        last=moment(int(page.opened_us[-1])) if len(page) else None,
        gaps=len(gaps),
        missing_bars=sum(gap.bars for gap in gaps),
        longest_gaps=sorted(gaps, key=lambda gap: (-gap.bars, gap.first))[:SHOWN_GAPS],
        pages=counts.pages,
        received=found.rows,
        duplicates=found.duplicates,
        conflicts=found.conflicts,
        dropped_open=found.dropped_open,
        misaligned=found.misaligned,
        out_of_order=found.out_of_order,
        added=counts.committed.added,
        revised=counts.committed.revised,
    )


def _markdown_row(unique_id: str, series: SeriesReport) -> str:
    cells = [
        unique_id,
        f"{series.rows:,}",
        _time(series.first),
        _time(series.last),
        *(
            f"{count:,}"
            for count in (
                series.gaps,
                series.missing_bars,
                series.added,
                series.revised,
                series.duplicates,
                series.conflicts,
                series.dropped_open,
                series.misaligned,
                series.out_of_order,
            )
        ),
    ]
    return f"| {' | '.join(cells)} |"


def _time(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M}" if moment else "none"


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value.isoformat() if isinstance(value, datetime) else value
