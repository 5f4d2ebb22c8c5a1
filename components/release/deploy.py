"""Telling a cluster which version to serve: rollout and canary are then KServe's.

Without a cluster there is nothing to deploy: a predictor that is given no version follows the champion alias.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from components.release.errors import DeployError

if TYPE_CHECKING:
    from kubernetes.client import ApiClient

GROUP, VERSION, PLURAL = "serving.kserve.io", "v1beta1", "inferenceservices"
VERSION_VARIABLE = "PREDICTOR_MODEL_VERSION"
CONTAINER = "kserve-container"
PINNED_BY = "ai-orchestration/pinned-because"

_MODE = "serving.kserve.io/deploymentMode"
_KNATIVE_MODES = ("Serverless", "Knative")
_CONFLICT = 409
_NOT_FOUND = 404
_TRIES = 4
_TIMEOUT_SECONDS = 30

_Json = dict[str, object]


@dataclass(frozen=True)
class Deployment:
    """What an InferenceService was told; `previous` is the version it was pinned to before, empty for none."""

    namespace: str
    name: str
    version: str
    previous: str
    changed: bool


def pin_version(
    client: "ApiClient",
    *,
    namespace: str,
    name: str,
    version: str,
    reason: str = "",
    canary_percent: int | None = None,
    model: str = "",
) -> Deployment:
    """Pin a version in an InferenceService's predictor; pods roll over as KServe sees fit.

    Args:
        client: A configured Kubernetes client.
        namespace: Where the InferenceService is.
        name: Its name.
        version: The registry's version.
        reason: Written beside it as an annotation.
        canary_percent: Share of the traffic that goes to the new version, 0 to 100; None keeps what is set. Only
            where KServe runs on Knative: in Standard mode it would be ignored.
        model: The registered model. Where a process serves several, its container names a variable for each after the
            last part of the name (`PREDICTOR_NETWORK_VERSION` of `fraud-network`), and that one is set.

    Raises:
        DeployError: There is no such InferenceService or container, it refuses, or somebody else keeps changing it.
    """
    if not version.isdecimal():
        raise DeployError(f"a version is a number, such as '3'; received {version!r}")
    if canary_percent is not None and not 0 <= canary_percent <= 100:
        raise DeployError(f"a canary's share is 0 to 100 percent; received {canary_percent}")
    from kubernetes.client.exceptions import ApiException

    for _ in range(_TRIES):
        service = _get(client, namespace, name)
        patch, previous = _patch(service, version, reason, canary_percent, model)
        if previous == version and canary_percent is None:
            return Deployment(namespace, name, version, previous, changed=False)
        try:
            _send(client, namespace, name, patch)
        except ApiException as error:
            if error.status == _CONFLICT:
                continue  # it changed between reading and writing; read it again
            raise _refused(namespace, name, error) from error
        return Deployment(namespace, name, version, previous, changed=True)
    raise DeployError(f"{namespace}/{name} was changed by somebody else {_TRIES} times in a row; try again")


def cluster_client() -> "ApiClient":
    """A client for the cluster this process runs in, or the one that kubeconfig names.

    Raises:
        DeployError: There is neither.
    """
    from kubernetes import client, config

    try:
        config.load_incluster_config()
    except config.ConfigException:
        try:
            config.load_kube_config()
        except config.ConfigException as error:
            raise DeployError("no cluster: neither a service account nor a kubeconfig is here") from error
    return client.ApiClient()


def _get(client: "ApiClient", namespace: str, name: str) -> _Json:
    from kubernetes.client import CustomObjectsApi
    from kubernetes.client.exceptions import ApiException

    try:
        found = CustomObjectsApi(client).get_namespaced_custom_object(
            GROUP, VERSION, namespace, PLURAL, name, _request_timeout=_TIMEOUT_SECONDS
        )
    except ApiException as error:
        if error.status == _NOT_FOUND:
            raise DeployError(f"there is no InferenceService {name!r} in {namespace!r}; apply the manifests") from error
        raise _refused(namespace, name, error) from error
    return cast(_Json, found)


def _send(client: "ApiClient", namespace: str, name: str, patch: _Json) -> None:
    """`CustomObjectsApi` can only send a JSON or a strategic patch, and custom resources know no strategic one."""
    client.call_api(
        f"/apis/{GROUP}/{VERSION}/namespaces/{{namespace}}/{PLURAL}/{{name}}",
        "PATCH",
        {"namespace": namespace, "name": name},
        [],
        {"Accept": "application/json", "Content-Type": "application/merge-patch+json"},
        body=patch,
        response_type="object",
        auth_settings=["BearerToken"],
        _request_timeout=_TIMEOUT_SECONDS,
    )


def _patch(service: _Json, version: str, reason: str, canary_percent: int | None, model: str) -> tuple[_Json, str]:
    """A merge patch, and the version pinned so far. A merge patch replaces lists, so the containers go back whole."""
    metadata = cast(Mapping[str, object], service["metadata"])
    predictor = cast(Mapping[str, object], cast(Mapping[str, object], service["spec"])["predictor"])
    containers = [dict(container) for container in cast(Sequence[_Json], predictor.get("containers") or [])]
    ours = next((container for container in containers if container.get("name") == CONTAINER), None)
    if ours is None:
        raise DeployError(f"{metadata['name']} has no container {CONTAINER!r} to pin a version in")
    environment = [dict(entry) for entry in cast(Sequence[_Json], ours.get("env") or [])]
    own = f"PREDICTOR_{model.rpartition('-')[2].upper()}_VERSION"
    variable = own if any(entry["name"] == own for entry in environment) else VERSION_VARIABLE
    previous = next((str(e.get("value", "")) for e in environment if e["name"] == variable), "")
    pinned: _Json = {"name": variable, "value": version}
    ours["env"] = [entry for entry in environment if entry["name"] != variable] + [pinned]
    changes: _Json = {"containers": containers}
    if canary_percent is not None:
        _check_canary(metadata)
        changes["canaryTrafficPercent"] = canary_percent
    patch: _Json = {
        "metadata": {
            "resourceVersion": metadata["resourceVersion"],
            "annotations": {PINNED_BY: f"version {version}: {reason}"[:1000]},
        },
        "spec": {"predictor": changes},
    }
    return patch, previous


def _check_canary(metadata: Mapping[str, object]) -> None:
    mode = cast(Mapping[str, str], metadata.get("annotations") or {}).get(_MODE, _KNATIVE_MODES[0])
    if mode not in _KNATIVE_MODES:
        raise DeployError(
            f"{metadata['name']} runs in {mode} mode, where KServe splits no traffic; leave the canary's share out"
        )


def _refused(namespace: str, name: str, error: Exception) -> DeployError:
    status, why = getattr(error, "status", None), getattr(error, "reason", "")
    return DeployError(f"the cluster refused to change {namespace}/{name}: {status} {why}; see the chained cause")
