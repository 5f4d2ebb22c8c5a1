"""`python -m pipelines`: list, compile, run and schedule pipelines, and move champions by hand."""

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from components.parent_watch import die_with_parent
from components.release.errors import ReleaseError
from pipelines.scheduling import CronError
from pipelines.targets import Target, TargetError, load_target
from pipelines.wiring import (
    DanglingReferenceError,
    ParameterError,
    Pipeline,
    UnknownPipelineError,
    load_pipeline,
    parse_parameters,
    pipeline_names,
)
from pipelines.wiring.parameters import ParameterValue, check_parameters
from runtime.bundle import BundleError
from runtime.logs import configure_logging
from runtime.promotion_log.port import Promotion, PromotionConflictError
from runtime.registry.port import ModelVersionNotFoundError, RegistryRefusedError, RegistryUnavailableError

app = typer.Typer(help=__doc__, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)

BUSY_EXIT_CODE = 75
EXPECTED = (
    TargetError,
    UnknownPipelineError,
    ParameterError,
    CronError,
    DanglingReferenceError,
    ReleaseError,
    BundleError,
    PromotionConflictError,
    ModelVersionNotFoundError,
    RegistryRefusedError,
    RegistryUnavailableError,
)
"""Errors whose message tells a person what to do."""

Name = Annotated[str, typer.Argument(help="A pipeline; `list` shows them.")]
TargetName = Annotated[str, typer.Option("--target", "-t", help="local, kubeflow or vertex.")]
Parameters = Annotated[list[str] | None, typer.Option("--param", "-p", help="key=value; a list is BTC,ETH.")]
Profile = Annotated[str | None, typer.Option(help="quick or full: how thoroughly networks are trained.")]


@app.command("list")
def list_pipelines() -> None:
    """Show every pipeline, its parameters and its usual schedule."""
    table = Table("pipeline", "what it does", "parameters", "schedule (UTC)")
    for name in pipeline_names():
        pipeline = load_pipeline(name)
        parameters = "\n".join(f"{key}={value.default}" for key, value in pipeline.parameters.items())
        table.add_row(name, pipeline.summary, escape(parameters), pipeline.cron)
    Console().print(table)


@app.command("compile")
def compile_one(
    name: Name,
    output: Annotated[Path, typer.Option("--output", "-o", help="YAML, or JSON for a .json name.")],
    target: TargetName = "kubeflow",
) -> None:
    """Compile a pipeline for a target and write the package."""
    written = load_target(target).compile(load_pipeline(name)).write(output)
    Console().print(f"{name} for {target}: {written}", markup=False)


@app.command()
def run(name: Name, target: TargetName = "local", param: Parameters = None, profile: Profile = None) -> None:
    """Run a pipeline: locally to its end, elsewhere until it is accepted."""
    place, pipeline, arguments = _prepared(name, target, param, profile)
    handle = place.run(pipeline, arguments)
    Console().print(f"{name} {handle.state} on {target}: {handle.id}\n{handle.link}", markup=False)


@app.command()
def schedule(
    name: Name,
    target: TargetName = "local",
    cron: Annotated[str | None, typer.Option(help="Five fields, UTC; the pipeline's own if left out.")] = None,
    param: Parameters = None,
    profile: Profile = None,
) -> None:
    """Run a pipeline again and again; with the local target this process does it until it is stopped."""
    place, pipeline, arguments = _prepared(name, target, param, profile)
    configure_logging(f"schedule-{pipeline.name}")
    handle = place.schedule(pipeline, arguments, cron or pipeline.cron)
    Console().print(f"{name} {handle.state} on {target}: {handle.id}\n{handle.link}", markup=False)


@app.command()
def promote(
    name: Annotated[str, typer.Argument(help="A registered model, such as crypto-forecast-1h.")],
    version: Annotated[str, typer.Argument(help="An eligible version of it.")],
    reason: Annotated[str, typer.Option(help="Why; goes into the promotion log.")],
) -> None:
    """Make a version the champion by hand."""
    from pipelines import champions

    _print_promotion(champions.promote(name, version, reason))


@app.command()
def rollback(
    name: Annotated[str, typer.Argument(help="A registered model, such as crypto-forecast-1h.")],
    reason: Annotated[str, typer.Option(help="Why; goes into the promotion log.")],
    to_version: Annotated[str, typer.Option(help="Which version; the champion before this one if left out.")] = "",
) -> None:
    """Give the champion's place back to the version that had it before."""
    from pipelines import champions

    _print_promotion(champions.rollback(name, reason, to_version=to_version))


@app.command()
def history(
    name: Annotated[str, typer.Argument(help="A registered model, such as crypto-forecast-1h.")], limit: int = 20
) -> None:
    """Show who moved a champion when, from which version to which, and why."""
    from pipelines import champions

    table = Table("when (UTC)", "who", "from", "to", "state", "why")
    for move in champions.history(name, limit):
        when, why = f"{move.created_at:%Y-%m-%d %H:%M:%S}", escape(move.reason)
        table.add_row(when, escape(move.actor), move.from_version or "none", move.to_version, move.state, why)
    Console().print(table)


@app.command()
def reconcile() -> None:
    """End promotions that dead processes left open; for start-up."""
    from pipelines import champions

    for ended in champions.reconcile():
        _print_promotion(ended)


def _print_promotion(move: Promotion) -> None:
    said = f"{move.model}: version {move.from_version or 'none'} to {move.to_version}, {move.state}"
    Console().print(f"{said}; {move.actor}: {move.reason}", markup=False)


def _prepared(
    name: str, target: str, param: list[str] | None, profile: str | None
) -> tuple[Target, Pipeline, dict[str, ParameterValue]]:
    pipeline = load_pipeline(name)
    arguments = parse_parameters(pipeline, param or ())
    if profile is not None:
        arguments = check_parameters(pipeline, {**arguments, "profile": profile})
    return load_target(target), pipeline, arguments


def main() -> None:
    """Run the command line; an expected error is one line and an exit code, never a traceback."""
    from pipelines.targets.local.target import PipelineBusyError

    die_with_parent()
    try:
        app()
    except PipelineBusyError as error:
        _leave(error, BUSY_EXIT_CODE)
    except EXPECTED as error:
        _leave(error, 1)
    except KeyboardInterrupt:
        _leave(KeyboardInterrupt("stopped at the keyboard"), 130)


def _leave(error: BaseException, code: int) -> None:
    Console(stderr=True).print(f"[red]{escape(str(error))}[/]", soft_wrap=True)
    sys.exit(code)


if __name__ == "__main__":
    main()
