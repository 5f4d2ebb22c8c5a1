import copy
from collections.abc import Callable
from typing import Any

import pytest
from google.protobuf import json_format

from pipelines.targets.local import LocalTarget
from pipelines.wiring import DanglingReferenceError, Pipeline, check_graph
from pipelines.wiring.graph import parse_specification
from runtime.settings import RuntimeSettings

Document = dict[str, Any]
INNER = "comp-exit-handler-1"
BRANCH = "comp-condition-3"


@pytest.fixture
def document(toy: Pipeline, runtime: RuntimeSettings) -> Document:
    return copy.deepcopy(dict(LocalTarget(runtime).compile(toy).document))


def tasks(document: Document, component: str) -> Document:
    found: Document = document["components"][component]["dag"]["tasks"]
    return found


def branches(document: Document) -> Document:
    return next(task for name, task in tasks(document, INNER).items() if name.startswith("condition-branches"))


def remove_producer(document: Document) -> None:
    tasks(document, INNER)["other"] = tasks(document, INNER).pop("make")


def rename_output(document: Document) -> None:
    branches(document)["inputs"]["artifacts"]["pipelinechannel--make-made"]["taskOutputArtifact"][
        "outputArtifactKey"
    ] = "lost"


def wait_for_nobody(document: Document) -> None:
    branches(document)["dependentTasks"].append("nobody")


def forget_executor(document: Document) -> None:
    del document["deploymentSpec"]["executors"]["exec-use"]


def forget_component(document: Document) -> None:
    del document["components"]["comp-make"]


def read_unknown_input(document: Document) -> None:
    tasks(document, BRANCH)["use"]["inputs"]["artifacts"]["made"]["componentInputArtifact"] = "unknown"


def leave_input_out(document: Document) -> None:
    del tasks(document, BRANCH)["use"]["inputs"]["parameters"]["fail"]


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (remove_producer, "reads from task 'make', which does not exist"),
        (rename_output, "reads 'lost' of task 'make', which has no such output"),
        (wait_for_nobody, "waits for task 'nobody'"),
        (forget_executor, "comp-use has no executor 'exec-use'"),
        (forget_component, "runs component 'comp-make', which does not exist"),
        (read_unknown_input, "reads input 'unknown', which its graph does not have"),
        (leave_input_out, "comp-condition-3/use is not given its input 'fail'"),
    ],
)
def test_a_damaged_graph_parses_and_is_refused_by_the_check(
    document: Document, damage: Callable[[Document], None], said: str
) -> None:
    check_graph(parse_specification(document))

    damage(document)

    with pytest.raises(DanglingReferenceError, match=said):
        check_graph(parse_specification(document))


def test_an_unknown_field_is_refused(document: Document) -> None:
    document["root"]["dag"]["surprise"] = 1

    with pytest.raises(json_format.ParseError, match="surprise"):
        parse_specification(document)
