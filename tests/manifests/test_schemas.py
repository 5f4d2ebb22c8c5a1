"""Every resource fits the schema that its API server would hold it to."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
SCHEMAS = ROOT.parent / "shared" / "schemas"
BIN = Path(sys.executable).parent
BUILT_IN_GROUPS = {
    "v1",
    "apps/v1",
    "autoscaling/v2",
    "batch/v1",
    "networking.k8s.io/v1",
    "policy/v1",
    "rbac.authorization.k8s.io/v1",
}

Resources = Mapping[str, Sequence[dict[str, Any]]]


def _named(resources: Resources) -> Iterator[tuple[str, dict[str, Any]]]:
    for overlay, documents in resources.items():
        for document in documents:
            yield f"{overlay}/{document['kind']}/{document['metadata']['name']}", document


def test_built_in_resources_pass_strict_validation(resources: Resources, tmp_path: Path) -> None:
    for overlay, documents in resources.items():
        file = tmp_path / f"{overlay}.yaml"
        file.write_text(yaml.safe_dump_all([d for d in documents if d["apiVersion"] in BUILT_IN_GROUPS]))
        command = [str(BIN / "kubernetes-validate"), "--strict", "-k", "1.33", str(file)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        said = done.stdout + done.stderr
        assert done.returncode == 0, said
        assert "WARN" not in said


def test_custom_resources_pass_their_schemas(resources: Resources) -> None:
    if not SCHEMAS.is_dir():
        pytest.skip("the schemas of the custom resources are not beside this checkout")
    checked = 0
    for name, document in _named(resources):
        if document["apiVersion"] in BUILT_IN_GROUPS:
            continue
        group, version = document["apiVersion"].split("/")
        schema = SCHEMAS / group / f"{document['kind'].lower()}_{version}.json"
        assert schema.is_file(), f"{name}: no schema for {document['apiVersion']} {document['kind']}"
        errors = jsonschema.Draft7Validator(_closed(json.loads(schema.read_text()))).iter_errors(document)
        assert [f"{name}: {error.json_path}: {error.message}" for error in errors] == []
        checked += 1
    assert checked >= 10


def _closed(schema: Any) -> Any:
    """Refuse fields that the schema does not know, as an API server's strict field validation does."""
    if isinstance(schema, list):
        return [_closed(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {key: _closed(value) for key, value in schema.items()}
    if "properties" in closed and not closed.get("x-kubernetes-preserve-unknown-fields"):
        closed.setdefault("additionalProperties", False)
    return closed


def test_yaml_is_tidy() -> None:
    done = subprocess.run(
        [str(BIN / "yamllint"), "--strict", "."], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


def test_the_dockerfile_passes_its_linter() -> None:
    done = subprocess.run(
        [str(BIN / "hadolint"), str(ROOT / "images" / "Dockerfile")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("target", ["local", "production", "gke", "Dockerfile"])
def test_checkov_finds_nothing(target: str, rendered: Mapping[str, Path]) -> None:
    checkov = ROOT / ".state" / "checkov" / "bin" / "checkov"
    if not checkov.is_file():
        assert os.environ.get("CI") != "true", "under CI nothing may skip for a missing tool"
        pytest.skip("checkov stands in an environment of its own; `make test` installs it")
    file = ROOT / "images" / "Dockerfile" if target == "Dockerfile" else rendered[target]
    command = [str(checkov), "--config-file", str(ROOT / ".checkov.yaml"), "-f", str(file), "-o", "json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    report = json.loads(done.stdout)
    reports = report if isinstance(report, list) else [report]
    failed = [
        c["check_id"] + " " + c["resource"] for r in reports for c in r.get("results", {}).get("failed_checks", [])
    ]
    passed = sum(int(r.get("summary", r).get("passed", 0)) for r in reports)
    assert failed == []
    assert passed > 0, done.stdout[:500]
