"""`python -m components.fraud`: simulate transactions, try a model or a rule set on history, follow the log."""

import sys
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from components.fraud.backtest import Result
    from components.fraud.backtest_rows import Cases
    from components.fraud.rules import RuleSet

app = typer.Typer(help=__doc__, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)

LOG = "log"

Rules = Annotated[Path | None, typer.Option(help="A rule set; the shipped one if left out.")]


@app.command("simulate")
def simulate_transactions(
    output: Annotated[Path, typer.Option("--output", "-o", help="Parquet, table `transactions`.")],
    rows: Annotated[int, typer.Option(help="About how many transactions.")] = 300_000,
    days: Annotated[int, typer.Option(help="Length of the history.")] = 150,
    until: Annotated[datetime | None, typer.Option(help="Where it ends, UTC; now if left out.")] = None,
    seed: Annotated[int, typer.Option(help="Same arguments and seed, same bytes.")] = 0,
) -> None:
    """Write a table of made-up card transactions with known frauds."""
    from components.fraud.cards.simulator import simulate

    end = until.replace(tzinfo=UTC) if until else datetime.now(UTC)
    made = simulate(output, end=end, rows=rows, days=days, seed=seed)
    typer.echo(
        f"{output}: {made.rows:,} transactions of {made.customers:,} customers at {made.terminals:,} terminals from "
        f"{made.start:%Y-%m-%d} to {made.end:%Y-%m-%d %H:%M} UTC, {made.frauds:,} frauds"
    )


@app.command("backtest")
def backtest_policy(
    data: Annotated[str, typer.Option(help="A table of transactions, or `log`: the decision log.")],
    model: Annotated[str, typer.Option(help="`champion`, a version's number, or a folder.")] = "champion",
    rules: Rules = None,
    rules_in_force: Rules = None,
    since: Annotated[datetime | None, typer.Option(help="Only from then on, UTC.")] = None,
    costs: Annotated[str, typer.Option(help="Changes to the costs, such as review_minor=300.")] = "",
) -> None:
    """Decide history again by a model and a rule set, beside the champion and the rules in force."""
    from components.fraud.backtest import Policy, backtest, fetch_model
    from components.fraud.backtest_rows import cases_from_log, cases_from_table
    from components.fraud.tracked import parse_costs

    prices = parse_costs("card", costs)
    start = since.replace(tzinfo=UTC) if since else None
    in_force, tried = _rules(rules_in_force), _rules(rules or rules_in_force)
    with TemporaryDirectory(prefix="backtest-") as scratch:
        champion = fetch_model("champion", Path(scratch))
        policies = [Policy(f"in force: champion, {in_force.version}", champion, in_force)]
        if model != "champion" or tried.version != in_force.version:
            chosen = champion if model == "champion" else fetch_model(model, Path(scratch))
            policies.append(Policy(f"tried: {model}, {tried.version}", chosen, tried))
        if data == LOG:
            from runtime.decision_log import open_decision_log

            log = open_decision_log()
            try:
                cases = cases_from_log(log, start)
            finally:
                log.close()
        else:
            cases = cases_from_table(Path(data), start)
        _show(cases, backtest(cases, policies, prices))


@app.command("write-features")
def write_features() -> None:
    """Follow the decision log and mirror card states to the feature store until SIGTERM."""
    from components.fraud.feature_writer.__main__ import main as follow

    follow()


def _rules(path: Path | None) -> "RuleSet":
    from components.fraud.rules import default_rules, load_rules

    return default_rules() if path is None else load_rules(path.read_text(encoding="utf-8"), source=path.name)


def _show(cases: "Cases", results: "list[Result]") -> None:
    from rich.console import Console
    from rich.table import Table

    frauds = int(cases.fraud.sum())
    title = f"{len(cases.fields):,} transactions, {frauds:,} frauds, {cases.first:%Y-%m-%d} to {cases.last:%Y-%m-%d}"
    table = Table(title=title)
    table.add_column("policy")
    for column in ("alerts a day", "declines a day", "precision", "recall", "cost each, minor", "changed by rules"):
        table.add_column(column, justify="right")
    for one in results:
        table.add_row(
            one.name,
            f"{one.alerts_a_day:.1f}",
            f"{one.declines_a_day:.1f}",
            f"{one.precision:.1%}",
            f"{one.recall:.1%}",
            f"{one.cost_minor:,.1f}",
            "" if one.name == "as decided" else str(one.by_rules),
        )
    Console().print(table)
    typer.echo("A model may have been trained on rows from before it was made; later rows are a fair test.")


def main() -> None:
    """Run a command; what a person can mend is told without a traceback."""
    from components.fraud.backtest_rows import BacktestError
    from components.fraud.cards.simulator import SimulationError
    from components.fraud.cards.table import TransactionsError
    from components.fraud.costs import CostsError
    from components.fraud.evaluation.errors import EvaluationError
    from components.fraud.rules import RuleSetError
    from runtime.bundle import BundleError
    from runtime.registry.port import ModelVersionNotFoundError, RegistryUnavailableError

    try:
        app()
    except (
        BacktestError,
        BundleError,
        CostsError,
        EvaluationError,
        ModelVersionNotFoundError,
        OSError,
        RegistryUnavailableError,
        RuleSetError,
        SimulationError,
        TransactionsError,
    ) as error:
        typer.echo(f"error: {error}", err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
