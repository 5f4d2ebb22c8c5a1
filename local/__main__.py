"""`python -m local up|down|status|logs`: the platform on one machine."""

from typing import Annotated

import typer
from dotenv import load_dotenv
from pydantic import ValidationError
from rich.console import Console

from local.launch import LaunchError, Platform
from local.orphans import PortTakenError
from local.settings import LocalSettings
from local.show import follow_logs, show_forecast, show_status
from local.supervisor import SupervisorError
from local.up import down as take_down
from local.up import up as bring_up
from runtime.process_lock import LockHeldError
from runtime.settings import REPOSITORY_ROOT, RuntimeSettings

app = typer.Typer(help=__doc__, no_args_is_help=True, add_completion=False)
_FAILURES = (LaunchError, LockHeldError, PortTakenError, SupervisorError)


def _platform() -> Platform:
    load_dotenv(REPOSITORY_ROOT / ".env", override=False)
    try:
        return Platform(LocalSettings(), RuntimeSettings(), Console(highlight=False))
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}, got {e['input']!r}" for e in error.errors())
        raise typer.BadParameter(f"a LOCAL_ or AIO_ setting is wrong: {problems}") from error


@app.command()
def up() -> None:
    """Start everything, train the first champions if there are none, and print one forecast."""
    platform = _platform()
    try:
        answer = bring_up(platform)
    except _FAILURES as error:
        platform.console.print(f"[red]make up stopped:[/] {error}", soft_wrap=True)
        raise typer.Exit(1) from error
    show_forecast(platform.console, answer, platform.local)


@app.command()
def down() -> None:
    """Stop everything; the state folder stays."""
    platform = _platform()
    try:
        swept = take_down(platform)
    except _FAILURES as error:
        platform.console.print(f"[red]make down stopped:[/] {error}", soft_wrap=True)
        raise typer.Exit(1) from error
    platform.console.print("Everything is down" + (f" ({swept} orphans ended)" if swept else ""))


@app.command()
def status() -> None:
    """Show every process; exit code 1 unless all are ready."""
    platform = _platform()
    if not show_status(platform.console, platform.programs, platform.supervisor.states()):
        raise typer.Exit(1)


@app.command()
def logs(
    name: Annotated[str | None, typer.Argument(help="one process; all when absent")] = None,
    lines: Annotated[int, typer.Option(min=1, max=100_000)] = 40,
    follow: Annotated[bool, typer.Option("--follow", "-f")] = False,
) -> None:
    """Show the processes' logs."""
    platform = _platform()
    names = [program.name for program in platform.programs]
    if name is not None and name not in names:
        raise typer.BadParameter(f"no process named {name!r}; choose one of {', '.join(names)}")
    files = [platform.supervisor.log_file(n) for n in names if name in (None, n)]
    if follow_logs(files, lines, follow):
        platform.console.print("no logs yet; make up writes them")


def main() -> None:
    """Entry point of the `ai-orchestration` command."""
    app()


if __name__ == "__main__":
    main()
