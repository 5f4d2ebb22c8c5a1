from datetime import UTC, datetime
from pathlib import Path

import pytest

from pipelines.targets.local import RunRecord
from pipelines.targets.local.journal import Journal


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    record = RunRecord(
        id="r",
        pipeline="toy",
        state="running",
        pid=1,
        parameters={},
        folder="",
        started_at=datetime(2026, 11, 22, tzinfo=UTC),
    )
    return Journal(tmp_path / "last_run.json", record)


def end(journal: Journal, step: str, reason: str = "") -> None:
    journal.began(step, Path(f"{step}.log"))
    journal.ended(step, not reason, reason)


def test_the_first_failure_explains_the_run(journal: Journal) -> None:
    end(journal, "ingest", "no MLflow")
    end(journal, "ingest", "still no MLflow")
    end(journal, "close", "no MLflow for me either")

    ended = journal.finish("failed", "the runner's word")

    assert (ended.failed_step, ended.reason) == ("ingest", "still no MLflow")
    assert [step.state for step in ended.steps] == ["failed", "failed", "failed"]


def test_a_step_that_passed_when_it_was_tried_again_explains_nothing(journal: Journal) -> None:
    end(journal, "ingest", "no MLflow")
    end(journal, "ingest")

    ended = journal.finish("succeeded")

    assert (ended.state, ended.failed_step, ended.reason) == ("succeeded", "", "")
