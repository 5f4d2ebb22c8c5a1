"""A Kubernetes API server's wire format for nodes and InferenceServices, asked by the real client."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.loopback import Asked, answering
from tests.support.merge_patch import merged

BASE = "/apis/serving.kserve.io/v1beta1/namespaces/ai-orchestration/inferenceservices"


class ClusterState:
    """What the server keeps: nodes, services, and the patches that came."""

    def __init__(self) -> None:
        self.nodes = [
            {"cpu": "3920m", "memory": "8Gi", "nvidia.com/gpu": "1"},
            {"cpu": "4", "memory": "4000000Ki"},
        ]
        self.closed_nodes = [{"cpu": "64", "memory": "99Gi"}]
        self.services = {
            name: self.service(name, least, most)
            for name, least, most in (("crypto-forecast-1h", 3, 15), ("fraud-detection", 2, 4))
        }
        self.patches: list[tuple[str, str, Any]] = []
        self.refuse: dict[str, int] = {}

    def service(self, name: str, least: int, most: int) -> dict[str, Any]:
        requests = {"cpu": "1", "memory": "1Gi"}
        return {
            "metadata": {"name": name, "annotations": {"serving.kserve.io/autoscalerClass": "hpa"}},
            "spec": {
                "predictor": {
                    "minReplicas": least,
                    "maxReplicas": most,
                    "scaleMetric": "cpu",
                    "containers": [{"name": "kserve-container", "resources": {"requests": requests}}],
                }
            },
        }

    def answer(self, method: str, path: str, content_type: str, body: Any) -> tuple[int, Any]:
        if method == "GET" and path == "/api/v1/nodes":
            if self.refuse.get("nodes"):
                return self.refuse["nodes"], {"kind": "Status", "message": "no"}
            open_, closed = ([(one, flag) for one in many] for many, flag in ((self.nodes, 0), (self.closed_nodes, 1)))
            return 200, {
                "items": [
                    {"metadata": {}, "spec": {"unschedulable": bool(flag)}, "status": {"allocatable": one}}
                    for one, flag in [*open_, *closed]
                ]
            }
        if method == "GET" and path == BASE:
            return 200, {"items": list(self.services.values())}
        name = path.rpartition("/")[2]
        if method != "PATCH" or name not in self.services:
            return 404, {"kind": "Status"}
        if self.refuse.get(name):
            return self.refuse[name], {"kind": "Status", "message": "no"}
        self.patches.append((name, content_type, body))
        self.services[name] = merged(self.services[name], body)
        return 200, self.services[name]


@pytest.fixture
def kubernetes_api() -> Iterator[tuple[ClusterState, str]]:
    """The server's state, and its address."""
    state = ClusterState()

    def answer(asked: Asked) -> tuple[int, Any]:
        body = json.loads(asked.body) if asked.body else None
        return state.answer(asked.method, asked.path.partition("?")[0], asked.headers.get("Content-Type", ""), body)

    with answering(answer) as url:
        yield state, url
