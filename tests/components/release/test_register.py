from collections.abc import Callable
from pathlib import Path

import pytest

from components.release.candidate import make_bundle
from components.release.champion import champion_info, fetch_champion
from components.release.register import register_candidate
from runtime.bundle import BundleError, read_bundle
from runtime.registry import CHAMPION, ModelRegistry, open_registry
from runtime.registry.mlflow_registry import MlflowRegistry

WriteCandidate = Callable[..., Path]


@pytest.fixture
def bundle(write_candidate: WriteCandidate, report_html: Path, tmp_path: Path, name: str) -> Path:
    return make_bundle(write_candidate(), tmp_path / "bundle", family="tiny", name=name, report_html=report_html).path


def test_a_registered_candidate_is_eligible_and_says_what_it_is(
    registry: ModelRegistry, bundle: Path, run_id: str, name: str
) -> None:
    version = register_candidate(registry, bundle, run_id=run_id, tags={"gate": "passed"})
    manifest = read_bundle(bundle).manifest
    assert (version.name, version.version, version.run_id) == (name, "1", run_id)
    expected = {
        "status": "eligible",
        "network": "lstm",
        "baseline": "false",
        "gate": "passed",
        "market": "usdm-perp",
        "data_digest": manifest.data_digest,
        "feature_digest": manifest.feature_digest,
        "code_revision": manifest.code_revision,
        "bundle_digest": read_bundle(bundle).digest,
    }
    assert expected.items() <= version.tags.items()


def test_registering_again_finds_the_same_version(
    registry: ModelRegistry,
    bundle: Path,
    run_id: str,
    name: str,
    tmp_path: Path,
    report_html: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first = register_candidate(registry, bundle, run_id=run_id)
    monkeypatch.setattr("components.release.candidate.code_revision", lambda: "later")
    again = make_bundle(tmp_path / "candidate", tmp_path / "again", family="tiny", name=name, report_html=report_html)
    assert again.digest != read_bundle(bundle).digest
    assert register_candidate(registry, again.path, run_id=run_id) == first
    assert len(registry.versions(name)) == 1


@pytest.mark.parametrize(
    ("where", "left"),
    [("register", []), ("download", ["candidate"]), ("set_tag", ["candidate"])],
)
def test_a_registration_that_is_killed_leaves_nothing_eligible_and_is_finished_by_the_next(
    killed_in_fork: Callable[..., None],
    mlflow_server: str,
    registry: ModelRegistry,
    bundle: Path,
    run_id: str,
    name: str,
    where: str,
    left: list[str],
) -> None:
    def work(die: Callable[..., None]) -> None:
        setattr(MlflowRegistry, where, die)
        register_candidate(open_registry(mlflow_server), bundle, run_id=run_id)

    killed_in_fork(work)
    assert [version.tags["status"] for version in registry.versions(name)] == left
    assert register_candidate(registry, bundle, run_id=run_id).tags["status"] == "eligible"
    assert len(registry.versions(name)) == 1


def test_what_was_rejected_stays_rejected(registry: ModelRegistry, bundle: Path, run_id: str, name: str) -> None:
    register_candidate(registry, bundle, run_id=run_id)
    registry.set_tag(name, "1", "status", "rejected")
    assert register_candidate(registry, bundle, run_id=run_id).tags["status"] == "rejected"


def test_a_bundle_that_changed_is_not_registered(registry: ModelRegistry, bundle: Path, run_id: str, name: str) -> None:
    (bundle / "calibration.json").write_text('{"changed": 1}')
    with pytest.raises(BundleError, match=r"calibration\.json"):
        register_candidate(registry, bundle, run_id=run_id)
    assert registry.versions(name) == []


def test_the_champion_is_fetched_once_there_is_one(
    registry: ModelRegistry, bundle: Path, run_id: str, name: str, tmp_path: Path
) -> None:
    assert fetch_champion(name, tmp_path / "champion", registry) is None
    version = register_candidate(registry, bundle, run_id=run_id)
    assert fetch_champion(name, tmp_path / "champion", registry) is None
    registry.set_alias(name, CHAMPION, "1")
    champion = fetch_champion(name, tmp_path / "champion", registry)
    assert champion is not None
    assert champion.digest == read_bundle(bundle).digest
    info = champion_info(version)
    assert (info.version, info.scored_as) == ("1", "champion")
    assert abs(info.created_at.timestamp() * 1000 - version.created_at_ms) < 1
    assert champion_info(version, unscored_because="other features").scored_as == ""
