"""The Vertex AI target: addresses as plain environment, since Vertex AI ignores the Kubernetes part of a package."""

import contextlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from gcp.settings import GcpSettings
from pipelines.scheduling import Cron
from pipelines.targets import RunHandle, TargetError
from pipelines.targets.binding import OPTIONAL_SECRET_VARIABLES, OPTIONAL_VARIABLES, bind_code
from pipelines.wiring import CompiledPipeline, Pipeline, compile_pipeline
from pipelines.wiring.parameters import ParameterValue
from runtime.settings import RuntimeSettings

if TYPE_CHECKING:
    from google.cloud.aiplatform import PipelineJob
    from kfp.dsl import PipelineTask

_FURTHER_VARIABLES = tuple(name for name in (*OPTIONAL_VARIABLES, *OPTIONAL_SECRET_VARIABLES) if name[:4] != "AWS_")
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1", "0.0.0.0", ""})  # noqa: S104 - addresses to refuse


@dataclass(frozen=True)
class VertexBinder:
    """Gives a task its image, its addresses and, where it asked for one, the accelerator by Vertex AI's name."""

    gcp: GcpSettings
    environment: Mapping[str, str]

    def bind(self, task: "PipelineTask", *, accelerated: bool) -> None:
        """Bind one task."""
        bind_code(task, self.gcp.image)
        for name, value in self.environment.items():
            task.set_env_variable(name, value)
        if accelerated and self.gcp.accelerator:
            task.set_accelerator_type(self.gcp.accelerator)
            task.set_accelerator_limit(self.gcp.accelerator_count)


class VertexTarget:
    """Submits pipeline jobs and schedules to Vertex AI."""

    def __init__(self, gcp: GcpSettings | None = None, runtime: RuntimeSettings | None = None) -> None:
        self._gcp = gcp or GcpSettings()
        self._runtime = runtime or RuntimeSettings()

    def compile(self, pipeline: Pipeline) -> CompiledPipeline:
        """Compile for Vertex AI.

        Raises:
            TargetError: An address that a step on Vertex AI could not reach, or none; names the settings.
        """
        return compile_pipeline(pipeline, VertexBinder(self._gcp, self._environment()))

    def run(self, pipeline: Pipeline, arguments: Mapping[str, ParameterValue]) -> RunHandle:
        """Submit one job and return when it is accepted."""
        with self._job(pipeline, arguments) as job:
            job.submit(
                service_account=self._gcp.service_account or None,
                network=self._gcp.network or None,
                create_request_timeout=self._gcp.request_timeout_seconds,
            )
            return RunHandle(id=job.resource_name, state="submitted", link=job._dashboard_uri())  # noqa: SLF001

    def schedule(self, pipeline: Pipeline, arguments: Mapping[str, ParameterValue], cron: str) -> RunHandle:
        """Make a schedule that starts one job at a time, and remove earlier ones of the same name once it stands."""
        with self._job(pipeline, arguments) as job:
            from google.cloud import aiplatform

            earlier = aiplatform.PipelineJobSchedule.list(filter=f'display_name="{pipeline.name}"')
            schedule = aiplatform.PipelineJobSchedule(pipeline_job=job, display_name=pipeline.name)
            schedule.create(
                cron=f"TZ=UTC {Cron(cron).text}",
                max_concurrent_run_count=1,
                service_account=self._gcp.service_account or None,
                network=self._gcp.network or None,
                create_request_timeout=self._gcp.request_timeout_seconds,
            )
            for old in earlier:
                old.delete()
            return RunHandle(
                id=schedule.resource_name,
                state="scheduled",
                link=schedule._dashboard_uri(),  # noqa: SLF001
            )

    @contextlib.contextmanager
    def _job(self, pipeline: Pipeline, arguments: Mapping[str, ParameterValue]) -> Iterator["PipelineJob"]:
        compiled = self.compile(pipeline)
        missing = [f"GCP_{name.upper()}" for name in ("project", "staging_bucket") if not getattr(self._gcp, name)]
        if missing:
            raise TargetError(f"the vertex target needs {' and '.join(missing)}")
        from google.api_core.exceptions import GoogleAPICallError
        from google.auth.exceptions import GoogleAuthError
        from google.cloud import aiplatform

        try:
            self._initialise()
            with TemporaryDirectory(prefix="pipeline-") as folder:
                package = compiled.write(Path(folder) / f"{pipeline.name}.json")
                yield aiplatform.PipelineJob(
                    display_name=pipeline.name,
                    template_path=str(package),
                    pipeline_root=self._gcp.staging_bucket,
                    parameter_values=dict(arguments),
                    enable_caching=False,
                )
        except GoogleAPICallError as error:
            raise TargetError(f"Vertex AI refused {pipeline.name} with {error.code}: {error.message}") from error
        except GoogleAuthError as error:
            raise TargetError(
                f"no credentials for Vertex AI: {error}; sign in with `gcloud auth application-default login`"
            ) from error
        except OSError as error:
            raise TargetError(f"Vertex AI did not answer at {self._endpoint()}: {error}") from error

    def _initialise(self) -> None:
        from google.auth.credentials import AnonymousCredentials
        from google.cloud import aiplatform

        common = {"project": self._gcp.project, "location": self._gcp.location}
        if self._gcp.api_endpoint.startswith("http://"):
            # Only an emulator speaks plain HTTP, and it must never see somebody's credentials.
            aiplatform.init(
                **common,
                api_endpoint=self._gcp.api_endpoint,
                api_transport="rest",
                credentials=AnonymousCredentials(),
            )
        else:
            aiplatform.init(**common, api_endpoint=self._gcp.api_endpoint or None)

    def _endpoint(self) -> str:
        return self._gcp.api_endpoint or f"{self._gcp.location}-aiplatform.googleapis.com"

    def _environment(self) -> dict[str, str]:
        wanted = {
            "AIO_MLFLOW_TRACKING_URI": self._runtime.mlflow_tracking_uri,
            "AIO_OBJECT_STORE_URL": self._runtime.object_store_url,
            "AIO_DATABASE_URL": self._runtime.database_url.get_secret_value(),
        }
        unreachable = [name for name, value in wanted.items() if not _reachable(value)]
        if not self._gcp.image:
            unreachable.append("GCP_IMAGE")
        if unreachable:
            raise TargetError(
                f"steps on Vertex AI cannot use the embedded defaults; set {', '.join(unreachable)} "
                "to what they can reach from there"
            )
        further = {name: os.environ[name] for name in _FURTHER_VARIABLES if os.environ.get(name)}
        profile = self._runtime.feast_profile
        return {**further, **wanted, "AIO_FEAST_PROFILE": profile, "AIO_ENVIRONMENT": "production"}


def _reachable(address: str) -> bool:
    """Whether another machine could use the address; a local file or a loopback address it could not."""
    parts = urlsplit(address)
    return parts.scheme not in ("", "file", "sqlite") and (parts.hostname or "") not in _LOOPBACK
