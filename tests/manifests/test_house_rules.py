"""What schemas cannot say: the documented names and ports, scaling ranges, and that every reference leads somewhere."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from pydantic_settings import BaseSettings

from brain.fraud.settings import FraudSettings as FraudRouteSettings
from brain.settings import BrainSettings
from brain.worker.settings import WorkerSettings
from components.fraud.feature_writer.settings import FeatureWriterSettings
from runtime.settings import RuntimeSettings
from serving.fraud_settings import FraudSettings
from serving.settings import PredictorSettings

ROOT = Path(__file__).resolve().parents[2]
Resources = Mapping[str, Sequence[dict[str, Any]]]
SETTINGS: tuple[type[BaseSettings], ...] = (
    BrainSettings,
    FeatureWriterSettings,
    FraudRouteSettings,
    PredictorSettings,
    FraudSettings,
    RuntimeSettings,
    WorkerSettings,
)


def _pods(documents: Sequence[dict[str, Any]]) -> Iterator[tuple[str, dict[str, Any]]]:
    for document in documents:
        name = f"{document['kind']}/{document['metadata']['name']}"
        if document["kind"] in ("Deployment", "StatefulSet"):
            yield name, document["spec"]["template"]["spec"]
        if document["kind"] == "InferenceService":
            yield name, document["spec"]["predictor"]


def _containers(documents: Sequence[dict[str, Any]]) -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    for name, pod in _pods(documents):
        for container in pod["containers"]:
            yield f"{name}/{container['name']}", pod, container


def _one(documents: Sequence[dict[str, Any]], kind: str, name: str) -> dict[str, Any]:
    return next(d for d in documents if d["kind"] == kind and d["metadata"]["name"] == name)


def test_everything_stands_in_the_documented_namespace(resources: Resources) -> None:
    for documents in resources.values():
        for document in documents:
            if document["kind"] not in ("Namespace", "ClusterRole", "ClusterRoleBinding"):
                assert document["metadata"]["namespace"] == "ai-orchestration", document["metadata"]["name"]


@pytest.mark.parametrize(
    ("service", "port"),
    [
        ("api-gateway-service", 8000),
        ("crypto-prediction-service", 5002),
        ("fraud-detection-service", 5004),
        ("mlflow-service", 5500),
    ],
)
def test_services_keep_their_documented_names_and_ports(resources: Resources, service: str, port: int) -> None:
    for documents in resources.values():
        ports = _one(documents, "Service", service)["spec"]["ports"]
        assert port in {entry["port"] for entry in ports}


def test_every_service_selects_a_pod(resources: Resources) -> None:
    for documents in resources.values():
        labels = [d["spec"]["template"]["metadata"]["labels"] for d in documents if "template" in d.get("spec", {})]
        # KServe puts this label on the pods of an InferenceService.
        labels += [
            {"serving.kserve.io/inferenceservice": d["metadata"]["name"]}
            for d in documents
            if d["kind"] == "InferenceService"
        ]
        for service in (d for d in documents if d["kind"] == "Service"):
            selector = service["spec"]["selector"].items()
            assert any(selector <= pod.items() for pod in labels), service["metadata"]["name"]


def test_the_scaling_ranges_are_those_documented(resources: Resources) -> None:
    for overlay in ("production", "gke"):
        gateway = _one(resources[overlay], "HorizontalPodAutoscaler", "gateway")["spec"]
        assert (gateway["minReplicas"], gateway["maxReplicas"]) == (3, 10)
        crypto = _one(resources[overlay], "InferenceService", "crypto-forecast-1h")["spec"]["predictor"]
        assert (crypto["minReplicas"], crypto["maxReplicas"]) == (3, 15)


def test_a_canary_share_is_a_percentage(resources: Resources) -> None:
    for documents in resources.values():
        for name, pod in _pods(documents):
            share = pod.get("canaryTrafficPercent", 0)
            assert isinstance(share, int), name
            assert 0 <= share <= 100, name


def test_every_container_has_probes_limits_and_a_tight_security_context(resources: Resources) -> None:
    for documents in resources.values():
        for name, pod, container in _containers(documents):
            assert {"startupProbe", "livenessProbe", "readinessProbe"} <= container.keys(), name
            for kind in ("requests", "limits"):
                assert {"cpu", "memory"} <= container["resources"][kind].keys(), name
            assert pod["securityContext"]["runAsNonRoot"] is True, name
            assert pod["securityContext"]["seccompProfile"]["type"] == "RuntimeDefault", name
            context = container["securityContext"]
            assert context["readOnlyRootFilesystem"] is True, name
            assert context["allowPrivilegeEscalation"] is False, name
            assert context["capabilities"]["drop"] == ["ALL"], name


def test_no_image_floats(resources: Resources) -> None:
    for documents in resources.values():
        for name, _, container in _containers(documents):
            tag = container["image"].rpartition(":")[2]
            assert ":" in container["image"], name
            assert tag != "latest", name


def test_probes_and_services_point_at_ports_that_containers_open(resources: Resources) -> None:
    for documents in resources.values():
        for name, _, container in _containers(documents):
            opened = {p["containerPort"] for p in container["ports"]} | {p.get("name") for p in container["ports"]}
            for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
                if "httpGet" in container[probe]:
                    assert container[probe]["httpGet"]["port"] in opened, f"{name} {probe}"


def test_every_setting_that_a_manifest_names_exists(resources: Resources) -> None:
    known = {
        f"{settings.model_config['env_prefix']}{field}".upper()
        for settings in SETTINGS
        for field in settings.model_fields
    }
    prefixes = tuple(str(settings.model_config["env_prefix"]) for settings in SETTINGS)
    for documents in resources.values():
        named = set(_one(documents, "ConfigMap", "ai-orchestration-config")["data"])
        for _, _, container in _containers(documents):
            named |= {entry["name"] for entry in container.get("env", ())}
        assert {name for name in named if name.startswith(prefixes)} - known == set()


def test_the_predictor_image_and_port_agree_with_its_settings(resources: Resources) -> None:
    for documents in resources.values():
        predictor = _one(documents, "InferenceService", "crypto-forecast-1h")["spec"]["predictor"]
        told = {entry["name"]: entry.get("value") for entry in predictor["containers"][0]["env"]}
        assert told["PREDICTOR_MODEL_NAME"] == "crypto-forecast-1h"
        assert told["PREDICTOR_HTTP_PORT"] == "5002"


def test_every_secret_that_is_read_stands_in_the_example(resources: Resources) -> None:
    example = (ROOT / "manifests" / "overlays" / "local" / "secrets.example.env").read_text()
    offered = {line.partition("=")[0] for line in example.splitlines() if line}
    for documents in resources.values():
        for name, _, container in _containers(documents):
            for entry in container.get("env", ()):
                reference = entry.get("valueFrom", {}).get("secretKeyRef")
                if reference:
                    assert reference["name"] == "ai-orchestration-secrets", name
                    assert reference["key"] in offered, f"{name} reads {reference['key']}"


def test_a_policy_denies_what_no_other_policy_allows(resources: Resources) -> None:
    for documents in resources.values():
        deny = _one(documents, "NetworkPolicy", "deny-everything-else")["spec"]
        assert deny == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}


def test_gpus_are_asked_for_on_the_gpu_overlay_alone(resources: Resources) -> None:
    for overlay, documents in resources.items():
        predictor = _one(documents, "InferenceService", "crypto-forecast-1h")["spec"]["predictor"]
        limits = predictor["containers"][0]["resources"]["limits"]
        assert ("nvidia.com/gpu" in limits) == (overlay == "gke")


def test_the_entry_ends_tls_and_redirects_plain_http(resources: Resources) -> None:
    for overlay in ("production", "gke"):
        entry = _one(resources[overlay], "Gateway", "entry")["spec"]["listeners"]
        secure = next(listener for listener in entry if listener["protocol"] == "HTTPS")
        certificate = _one(resources[overlay], "Certificate", "entry")["spec"]["secretName"]
        assert secure["tls"]["certificateRefs"][0]["name"] == certificate
        redirect = _one(resources[overlay], "HTTPRoute", "redirect-to-https")["spec"]["rules"][0]["filters"][0]
        assert redirect["requestRedirect"]["scheme"] == "https"


def test_only_pipeline_steps_may_change_inference_services(resources: Resources) -> None:
    for documents in resources.values():
        binding = _one(documents, "RoleBinding", "pipeline-step-deploys-model-versions")
        assert [subject["name"] for subject in binding["subjects"]] == ["pipeline-step"]
        rules = _one(documents, "Role", "deploy-model-version")["rules"]
        assert rules == [
            {"apiGroups": ["serving.kserve.io"], "resources": ["inferenceservices"], "verbs": ["get", "patch"]}
        ]
