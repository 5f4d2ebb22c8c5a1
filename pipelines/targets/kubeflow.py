"""The Kubeflow target: addresses from a ConfigMap and a Secret, runs and recurring runs through the Pipelines API."""

import contextlib
import json
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING
from uuid import uuid4

from pipelines.scheduling import Cron
from pipelines.targets.binding import (
    ADDRESS_VARIABLES,
    OPTIONAL_SECRET_VARIABLES,
    OPTIONAL_VARIABLES,
    SECRET_VARIABLES,
    bind_code,
)
from pipelines.targets.port import RunHandle, TargetError
from pipelines.targets.settings import PipelineSettings
from pipelines.wiring import CompiledPipeline, Pipeline, compile_pipeline
from pipelines.wiring.parameters import ParameterValue

if TYPE_CHECKING:
    from kfp import Client
    from kfp.dsl import PipelineTask

_PAGE = 100


@dataclass(frozen=True)
class KubeflowBinder:
    """Gives a task its image and tells it to read its addresses from the cluster."""

    settings: PipelineSettings

    def bind(self, task: "PipelineTask", *, accelerated: bool) -> None:
        """Bind one task; credentials are optional, since a cluster may give them by identity."""
        from kfp import kubernetes

        bind_code(task, self.settings.image)
        config, secret = self.settings.config_map, self.settings.secret
        kubernetes.use_config_map_as_env(task, config, _same(ADDRESS_VARIABLES))
        kubernetes.use_config_map_as_env(task, config, _same(OPTIONAL_VARIABLES), optional=True)
        kubernetes.use_secret_as_env(task, secret, _same(SECRET_VARIABLES))
        kubernetes.use_secret_as_env(task, secret, _same(OPTIONAL_SECRET_VARIABLES), optional=True)
        if accelerated and self.settings.accelerator:
            task.set_accelerator_type(self.settings.accelerator)
            task.set_accelerator_limit(self.settings.accelerator_count)


class KubeflowTarget:
    """Submits to the Kubeflow Pipelines API at `PIPELINES_KUBEFLOW_HOST`."""

    def __init__(self, settings: PipelineSettings | None = None) -> None:
        self._settings = settings or PipelineSettings()

    def compile(self, pipeline: Pipeline) -> CompiledPipeline:
        """Compile for the cluster; needs no connection."""
        return compile_pipeline(pipeline, KubeflowBinder(self._settings))

    def run(self, pipeline: Pipeline, arguments: Mapping[str, ParameterValue]) -> RunHandle:
        """Submit one run and return when it is accepted."""
        with self._package(pipeline) as package, self._session() as (client, namespace):
            accepted = client.create_run_from_pipeline_package(
                str(package),
                arguments={**pipeline.cluster_arguments, **arguments},
                run_name=f"{pipeline.name}-{uuid4().hex[:8]}",
                experiment_name=self._settings.experiment,
                namespace=namespace,
                enable_caching=False,
                service_account=self._settings.service_account or None,
            )
        link = f"{self._settings.kubeflow_host.rstrip('/')}/#/runs/details/{accepted.run_id}"
        return RunHandle(id=str(accepted.run_id), state="submitted", link=link)

    def schedule(self, pipeline: Pipeline, arguments: Mapping[str, ParameterValue], cron: str) -> RunHandle:
        """Make a recurring run, and remove earlier ones of the same name once it stands."""
        # The API's cron has a field of seconds in front.
        expression = f"0 {Cron(cron).text}"
        with self._package(pipeline) as package, self._session() as (client, namespace):
            experiment = client.create_experiment(self._settings.experiment, namespace=namespace).experiment_id
            earlier = _recurring_runs(client, experiment, pipeline.name)
            made = client.create_recurring_run(
                experiment_id=experiment,
                job_name=pipeline.name,
                description=pipeline.summary,
                cron_expression=expression,
                max_concurrency=1,
                no_catchup=True,
                params={**pipeline.cluster_arguments, **arguments},
                pipeline_package_path=str(package),
                enable_caching=False,
                service_account=self._settings.service_account or None,
            )
            for recurring_run_id in earlier:
                client.delete_recurring_run(recurring_run_id)
        link = f"{self._settings.kubeflow_host.rstrip('/')}/#/recurringrun/details/{made.recurring_run_id}"
        return RunHandle(id=str(made.recurring_run_id), state="scheduled", link=link)

    @contextlib.contextmanager
    def _package(self, pipeline: Pipeline) -> Iterator[Path]:
        with TemporaryDirectory(prefix="pipeline-") as folder:
            yield self.compile(pipeline).write(Path(folder) / f"{pipeline.name}.yaml")

    @contextlib.contextmanager
    def _session(self) -> Iterator[tuple["Client", str | None]]:
        """A client and the namespace to name: none where Kubeflow Pipelines serves a single user."""
        import kfp_server_api  # type: ignore[import-untyped]
        from kfp import Client
        from urllib3.exceptions import HTTPError

        host = self._settings.kubeflow_host
        if not host:
            raise TargetError(
                "the kubeflow target does not know where Kubeflow Pipelines is; set PIPELINES_KUBEFLOW_HOST, "
                "for example to http://ml-pipeline.kubeflow:8888 or to the address of a port-forward"
            )
        try:
            with _quiet():
                token = self._settings.kubeflow_token.get_secret_value() or None
                # A namespace of its own keeps the client from asking, and from waiting 25 s for an answer.
                client = Client(host=host, existing_token=token, namespace=self._settings.namespace)
                many_users = bool(client._healthz_api.healthz_service_get_healthz().multi_user)  # noqa: SLF001
                client._context_setting["namespace"] = ""  # noqa: SLF001 - else a single-user API refuses it
                yield client, self._settings.namespace if many_users else None
        except kfp_server_api.ApiException as error:
            raise TargetError(_refusal(host, error.status, error.reason, error.body)) from error
        except (HTTPError, OSError) as error:
            raise TargetError(
                f"Kubeflow Pipelines at {host} did not answer: {_root_cause(error)}; "
                "check PIPELINES_KUBEFLOW_HOST and that the API is up"
            ) from error


def _same(names: tuple[str, ...]) -> dict[str, str]:
    return {name: name for name in names}


def _recurring_runs(client: "Client", experiment: str, name: str) -> list[str]:
    chosen = {"predicates": [{"operation": "EQUALS", "key": "display_name", "stringValue": name}]}
    answer = client.list_recurring_runs(experiment_id=experiment, page_size=_PAGE, filter=json.dumps(chosen))
    return [run.recurring_run_id for run in answer.recurring_runs or [] if run.display_name == name]


def _refusal(host: str, status: int | None, reason: str | None, body: object) -> str:
    if not status:
        return f"Kubeflow Pipelines at {host} did not answer: {reason}; check PIPELINES_KUBEFLOW_HOST"
    text = body.decode(errors="replace") if isinstance(body, bytes) else str(body or "")
    try:
        content = json.loads(text)
        said = str(content.get("error_message") or content.get("message") or content.get("error") or text)
    except (json.JSONDecodeError, AttributeError):
        said = text
    hint = "; set PIPELINES_KUBEFLOW_TOKEN" if status in (401, 403) else ""
    return f"Kubeflow Pipelines at {host} refused with {status} {reason or ''}: {said[:500]}{hint}"


def _root_cause(error: BaseException) -> str:
    while (inner := getattr(error, "reason", None) or error.__cause__) and isinstance(inner, BaseException):
        error = inner
    return str(error) or type(error).__name__


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """The client prints links and logs tracebacks of its own; what matters is in the handle or the error."""
    import io
    import warnings

    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore", FutureWarning)
            yield
    finally:
        logging.disable(before)
