"""What the launcher prints: the forecast with the addresses, the state table, the logs."""

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import cast

import httpx
from rich.console import Console
from rich.table import Table

from local.programs import HOST, Program
from local.settings import LocalSettings
from local.supervisor import ProcessState

_SHOWN_STEPS = (1, 6, 12, 24)
_TO_TYPE = {
    "/api/v1/crypto/predict": '{"symbol": "BTC", "timeframe": "1h", "prediction_horizon": 24}',
    "/api/v1/fraud/analyze": '{"customer_id": "C0000001", "terminal_id": "T0000001", "amount_minor": 4200}',
}


def show_forecast(console: Console, answer: Mapping[str, object], local: LocalSettings) -> None:
    """Print one forecast as a table, then where everything is."""
    model = f"{answer['network']}, {answer['model']} version {answer['model_version']}"
    table = Table(title=f"{answer['symbol']} at {_price(answer['last_price'])}, {answer['as_of']} ({model})")
    for heading in ("hours ahead", "median", "50 %", "80 %", "95 %", "P(up)"):
        table.add_column(heading, justify="right")
    for row in cast(Sequence[Mapping[str, object]], answer["forecast"]):
        if row["step"] not in _SHOWN_STEPS:
            continue
        intervals = cast(Mapping[str, Sequence[float]], row["intervals"])
        cells = [f"{_price(intervals[level][0])} – {_price(intervals[level][1])}" for level in ("50", "80", "95")]
        table.add_row(str(row["step"]), _price(row["median"]), *cells, f"{cast(float, row['probability_up']):.2f}")
    console.print(table)
    for warning in cast(Sequence[Mapping[str, object]], answer.get("warnings", ())):
        console.print(f"[yellow]note[/] {warning['detail']}")
    show_addresses(console, local)


def show_addresses(console: Console, local: LocalSettings) -> None:
    """Print where to look and what to type next."""
    gateway = f"http://{HOST}:{local.gateway_port}"
    console.print(f"\nConsole  {gateway}/\nAPI      {gateway}/docs\nMLflow   http://{HOST}:{local.mlflow_port}/\n")
    for path, body in _TO_TYPE.items():
        console.print(
            f"curl -s {gateway}{path} -H 'content-type: application/json' -d '{body}'", style="dim", soft_wrap=True
        )


def show_status(console: Console, programs: Sequence[Program], states: Sequence[ProcessState]) -> bool:
    """Print a line a process; True when everything that should answer is ready."""
    table = Table()
    for heading in ("process", "state", "pid", "up", "ready", "ports"):
        table.add_column(heading)
    known = {state.name: state for state in states}
    well = bool(states)
    for program in programs:
        state = known.get(program.name)
        ready = _ready_word(program)
        well = well and state is not None and state.state == "RUNNING" and ready in ("yes", "—")
        table.add_row(
            program.title,
            state.state.lower() if state else "stopped",
            str(state.pid) if state and state.pid else "—",
            f"{state.uptime_seconds:.0f} s" if state and state.uptime_seconds else "—",
            ready,
            ", ".join(map(str, program.ports)) or "—",
        )
    console.print(table)
    return well


def follow_logs(files: Sequence[Path], lines: int, follow: bool) -> int:
    """Print the end of the log files and, if asked, what is added."""
    present = [str(file) for file in files if file.is_file()]
    if not present:
        return 1
    command = ["tail", "-n", str(lines), *(["-F"] if follow else []), *present]
    try:
        return subprocess.run(command, check=False).returncode  # noqa: S603 - tail on our own files
    except KeyboardInterrupt:
        return 0


def _ready_word(program: Program) -> str:
    if program.ready_url is None:
        return "—"
    try:
        answer = httpx.get(program.ready_url, timeout=3)
    except httpx.HTTPError:
        return "no answer"
    return "yes" if answer.status_code == httpx.codes.OK else f"no ({answer.status_code})"


def _price(value: object) -> str:
    number = cast(float, value)
    return f"{number:,.2f}" if abs(number) >= 1 else f"{number:.5f}"
