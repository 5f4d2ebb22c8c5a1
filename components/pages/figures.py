"""How every figure of a report looks, and its way into a page as text."""

import base64
from io import StringIO
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MODEL_COLOURS = ("#2563eb", "#db2777", "#059669", "#d97706", "#7c3aed", "#0891b2")
BASELINE_COLOURS = ("#94a3b8", "#64748b", "#475569", "#334155")
INK = "#1e293b"
MUTED = "#64748b"
GRID = "#e2e8f0"


def plain_figure(width: float, height: float, rows: int = 1, columns: int = 1) -> "tuple[Figure, list[Axes]]":
    """A figure of `width` by `height` inches with a light grid and no frame, and its axes row by row."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    axes = list(figure.subplots(rows, columns, squeeze=False).ravel())
    for one in axes:
        one.grid(visible=True, color=GRID, linewidth=0.7)
        one.set_axisbelow(True)
        one.tick_params(colors=MUTED, labelsize=8, length=0)
        one.xaxis.label.set(color=MUTED, fontsize=9)
        one.yaxis.label.set(color=MUTED, fontsize=9)
        for side in ("top", "right", "left", "bottom"):
            one.spines[side].set_visible(False)
    return figure, axes


def add_legend(figure: "Figure", axes: "Axes") -> None:
    """Name the lines of `axes` above the figure."""
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper left", frameon=False, fontsize=8.5, labelcolor=INK, ncols=8)


def svg_text(figure: "Figure") -> str:
    """The figure as SVG; the same figure gives the same text."""
    from matplotlib import rc_context

    text = StringIO()
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "report", "font.family": "sans-serif"}):
        figure.savefig(text, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    return text.getvalue()


def data_uri(svg: str) -> str:
    """SVG text as the source of an image inside a page."""
    return "data:image/svg+xml;base64," + base64.b64encode(svg.encode()).decode()
