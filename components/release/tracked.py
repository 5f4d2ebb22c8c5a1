"""What the release steps do: one call into this room each, and what of it is written to MLflow."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from components.pipeline_run import (
    CHAMPION_BUNDLE,
    MLFLOW_RUN,
    annotate_pipeline_run,
    close_pipeline_run,
    keep_file,
    step_run,
)
from components.release.champion import ChampionInfo
from components.step_run import step_process
from runtime.registry import CHAMPION

if TYPE_CHECKING:
    from components.release.gate import GateDecision

CHAMPION_FILE = "champion.json"
CANDIDATES = "candidates"


class ValidationFailedError(RuntimeError):
    """The data did not pass validation, so that nothing was trained; the champion goes on serving."""


@dataclass(frozen=True)
class Decided:
    """The gate's word; `version` is that of the best candidate, promoted or not."""

    promote: bool
    candidate: str
    version: str
    reason: str


def fetch_champion(output: Path, *, pipeline: str, run_id: str, registered_model: str) -> str:
    """Fetch the champion into a folder; returns its version, empty where there is none.

    The folder holds `champion.json` in any case, and the bundle in `bundle/` where there is a champion.
    """
    from runtime.bundle import read_bundle
    from runtime.registry import open_registry

    with step_run("fetch-champion", pipeline, run_id) as run:
        registry = open_registry()
        version = registry.by_alias(registered_model, CHAMPION)
        output.mkdir(parents=True, exist_ok=True)
        if version is not None:
            downloaded = read_bundle(registry.download(version, output / "download")).path
            downloaded.rename(output / CHAMPION_BUNDLE)
        known = {} if version is None else {"version": version.version, "created_at_ms": version.created_at_ms}
        (output / CHAMPION_FILE).write_text(json.dumps(known) + "\n")
        run.params({"registered_model": registered_model, "version": version.version if version else "none"})
    return version.version if version else ""


def register(evaluated: Path, *, pipeline: str, run_id: str, family: str, registered_model: str) -> dict[str, str]:
    """Register every candidate of an evaluation; returns candidate name → version.

    Args:
        evaluated: Folder with `report.html`, `metrics.json` and `candidates/<name>/`, each with `mlflow_run.json`.
        pipeline: Whose run it is.
        run_id: The pipeline's MLflow run.
        family: Such as `crypto`.
        registered_model: Such as `crypto-forecast-1h`.
    """
    import tempfile

    from components.release.candidate import make_bundle
    from components.release.register import register_candidate
    from runtime.registry import open_registry

    metrics: dict[str, float] = json.loads((evaluated / "metrics.json").read_text())
    versions = {}
    with step_run("register", pipeline, run_id) as run, tempfile.TemporaryDirectory() as scratch:
        registry = open_registry()
        for candidate in sorted((evaluated / CANDIDATES).iterdir()):
            bundle = make_bundle(
                candidate,
                Path(scratch) / candidate.name,
                family=family,
                name=registered_model,
                report_html=evaluated / "report.html",
                evaluation=_scores(metrics, candidate.name),
            )
            made_by = json.loads((candidate / MLFLOW_RUN).read_text())["run_id"]
            version = register_candidate(registry, bundle.path, run_id=made_by)
            versions[candidate.name] = version.version
            run.tags({f"version.{candidate.name}": version.version})
        annotate_pipeline_run(run_id, {"versions": json.dumps(versions), "registered_model": registered_model})
    return versions


def gate(
    evaluated: Path,
    champion: Path,
    decision: Path,
    *,
    pipeline: str,
    run_id: str,
    versions: Mapping[str, str],
    champion_scored: bool,
    champion_reason: str,
    block_seconds: int,
) -> Decided:
    """Decide whether the best candidate takes the champion's place; writes the decision as a page."""
    from components.release.comparison import loss_name
    from components.release.gate import GateRules, decide

    with step_run("gate", pipeline, run_id) as run:
        found = decide(
            evaluated / "losses.parquet",
            candidates=sorted(versions),
            champion=_champion(champion, champion_scored, champion_reason),
            rules=GateRules(block_seconds=block_seconds),
        )
        version = versions[found.candidate]
        decision.write_text(_page(found, version, loss_name(evaluated / "losses.parquet")))
        run.params({"promote": found.promote, "candidate": found.candidate, "version": version})
        run.document("decision.json", found.document())
        keep_file(run, decision, "decision.md")
        annotate_pipeline_run(run_id, {"decision": found.reason, "promoted": str(found.promote).lower()})
    return Decided(found.promote, found.candidate, version, found.reason)


def promote(*, pipeline: str, run_id: str, registered_model: str, version: str, against: str, reason: str) -> str:
    """Smoke-score a version and make it champion; its features must be online.

    Args:
        pipeline: Whose run it is.
        run_id: The pipeline's MLflow run.
        registered_model: Such as `crypto-forecast-1h`.
        version: Who becomes champion.
        against: The champion that the gate compared it with, empty for none.
        reason: The gate's.

    Returns:
        The promotion's id.

    Raises:
        PromotionRefusedError: The champion is another one by now.
    """
    from components.release.errors import PromotionRefusedError
    from components.release.promote import nothing_to_materialise
    from components.release.promote import promote as promote_version
    from runtime.promotion_log import open_promotion_log
    from runtime.registry import open_registry

    with step_run("promote", pipeline, run_id) as run:
        registry = open_registry()
        current = registry.by_alias(registered_model, CHAMPION)
        serving = current.version if current else ""
        if serving not in (against, version):
            raise PromotionRefusedError(
                f"version {version} was judged against champion {against or 'none'}, but {serving or 'none'} serves "
                "now; run the pipeline again"
            )
        done = promote_version(
            registered_model,
            version,
            actor=f"pipeline {pipeline}",
            reason=reason,
            registry=registry,
            log=open_promotion_log(),
            materialise=nothing_to_materialise,
        )
        run.params({"version": version, "from_version": done.from_version or "none", "promotion": done.id})
        annotate_pipeline_run(run_id, {"champion": version})
    return done.id


def deploy(
    *, pipeline: str, run_id: str, inference_service: str, version: str, reason: str, registered_model: str = ""
) -> str:
    """Pin a version in `namespace/name` of an InferenceService; returns the version it was pinned to before."""
    from components.release.deploy import cluster_client, pin_version
    from components.release.errors import DeployError

    with step_run("deploy", pipeline, run_id) as run:
        namespace, separator, name = inference_service.partition("/")
        if not (namespace and separator and name):
            raise DeployError(f"an InferenceService is written namespace/name, got {inference_service!r}")
        done = pin_version(
            cluster_client(), namespace=namespace, name=name, version=version, reason=reason, model=registered_model
        )
        run.params({"inference_service": inference_service, "version": version, "previous": done.previous or "none"})
    return done.previous


def keep(*, pipeline: str, run_id: str, reason: str) -> None:
    """Write down that the champion stays."""
    with step_run("keep-champion", pipeline, run_id) as run:
        run.tags({"reason": reason})


def fail_validation(failures: str) -> None:
    """Stop the run and say which expectations failed."""
    with step_process("fail-validation"):
        raise ValidationFailedError(
            f"the data failed validation, nothing was trained and the champion goes on serving: {failures}; "
            "the report is an artifact of the validation step and in MLflow"
        )


def close(*, pipeline: str, job: str, state: str, message: str) -> None:
    """End the pipeline's MLflow run."""
    with step_process("close-run"):
        close_pipeline_run(pipeline, job, state, message)


def _champion(folder: Path, scored: bool, reason: str) -> ChampionInfo | None:
    from datetime import UTC, datetime

    known = json.loads((folder / CHAMPION_FILE).read_text())
    if not known:
        return None
    return ChampionInfo(
        version=known["version"],
        created_at=datetime.fromtimestamp(known["created_at_ms"] / 1000, tz=UTC),
        scored_as="champion" if scored else "",
        unscored_because="" if scored else reason,
    )


def _scores(metrics: Mapping[str, float], candidate: str) -> dict[str, float]:
    prefix = f"{candidate}/"
    return {key.removeprefix(prefix): value for key, value in metrics.items() if key.startswith(prefix)}


def _page(found: "GateDecision", version: str, loss: str) -> str:
    verdict = f"**{found.candidate}**, version {version}, becomes champion"
    title = f"# Gate: {verdict if found.promote else '**nothing is promoted**'}"
    rows = [f"| {name} | {mean:.6f} |" for name, mean in sorted(found.mean_losses.items(), key=lambda item: item[1])]
    return "\n".join([title, "", found.reason, "", f"| entrant | mean {loss} |", "|---|--:|", *rows, ""])
