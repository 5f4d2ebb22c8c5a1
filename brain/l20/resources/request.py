"""What can be asked of the allocation, and what is handed to the worker."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator

from brain.l20.resources.problem import RESOURCES, Problem, Service

MOST_SERVICES = 50
MOST_REPLICAS = 200

Amount = Annotated[float, Field(ge=0, le=1e9, allow_inf_nan=False, strict=True)]
Replicas = Annotated[int, Field(ge=0, le=MOST_REPLICAS, strict=True)]
Seconds = Annotated[float, Field(gt=0, le=86_400, allow_inf_nan=False, strict=True)]


class Capacity(BaseModel):
    """What there is for all services together."""

    model_config = ConfigDict(extra="forbid")

    cpu: Amount = Field(default=0.0, description="cores")
    gpu: Amount = Field(default=0.0, description="graphics cards")
    memory_gb: Amount = 0.0


class ServiceDemand(BaseModel):
    """A service, what comes to it, and what a replica of it takes."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(max_length=63, pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", description="its InferenceService")
    weight: Annotated[float, Field(gt=0, le=1e6, allow_inf_nan=False, strict=True)] = Field(
        default=1.0, description="what one request a second that it serves is worth"
    )
    arrival_per_second: Annotated[float, Field(ge=0, le=1e7, allow_inf_nan=False, strict=True)]
    service_seconds: Seconds = Field(description="mean time of a request on a replica")
    cpu: Amount = Field(default=0.0, description="of a replica")
    gpu: Amount = Field(default=0.0, description="of a replica")
    memory_gb: Amount = Field(default=0.0, description="of a replica")
    min_replicas: Replicas = 0
    max_replicas: Replicas = 10
    latency_target_seconds: Seconds | None = None
    latency_quantile: Annotated[float, Field(gt=0, lt=1, strict=True)] = Field(
        default=0.95, description="share of requests that are to be answered within the target"
    )
    current_replicas: Replicas | None = Field(default=None, description="`min_replicas` where left out")

    @model_validator(mode="after")
    def _ordered(self) -> "ServiceDemand":
        if self.min_replicas > self.max_replicas:
            raise ValueError(f"min_replicas {self.min_replicas} is above max_replicas {self.max_replicas}")
        return self

    def service(self) -> Service:
        """As the solver knows it."""
        return Service(
            name=self.name,
            weight=self.weight,
            arrival_per_second=self.arrival_per_second,
            service_seconds=self.service_seconds,
            needs={"cpu": self.cpu, "gpu": self.gpu, "memory_gb": self.memory_gb},
            least=self.min_replicas,
            most=self.max_replicas,
            target_seconds=self.latency_target_seconds,
            quantile=self.latency_quantile,
            current=self.min_replicas if self.current_replicas is None else self.current_replicas,
        )


class AllocationRequest(BaseModel):
    """Capacity and demand; what is left out is measured."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "capacity": {"cpu": 16, "gpu": 1, "memory_gb": 64},
                    "services": [
                        {
                            "name": "crypto-forecast-1h",
                            "arrival_per_second": 40,
                            "service_seconds": 0.05,
                            "cpu": 1,
                            "memory_gb": 1,
                            "min_replicas": 1,
                            "max_replicas": 8,
                            "latency_target_seconds": 0.25,
                        }
                    ],
                }
            ]
        },
    )

    capacity: Capacity | None = Field(default=None, description="this machine's or the cluster's where left out")
    services: list[ServiceDemand] | None = Field(
        default=None, min_length=1, max_length=MOST_SERVICES, description="the predictors, as measured, where left out"
    )
    apply: bool = Field(default=False, strict=True, description="change the replicas; needs the scope `admin`")

    @model_validator(mode="after")
    def _names(self) -> "AllocationRequest":
        names = [one.name for one in self.services or ()]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"services stand twice: {', '.join(twice)}; name each once")
        return self


class Evidence(BaseModel):
    """Where a number comes from."""

    name: str = Field(description="`capacity`, or the service")
    source: str
    window_seconds: float | None = None


class Order(BaseModel):
    """A request with what was measured in its places; what the worker reads."""

    capacity: Capacity | None
    services: list[ServiceDemand]
    measured: bool = Field(description="whether the services are the platform's own, as measured")
    kept: dict[str, str] = Field(default_factory=dict, description="services that stay as they are, and why")
    evidence: list[Evidence] = Field(default_factory=list)
    apply: bool = False

    def problem(self, most_utilisation: float) -> Problem:
        """As the solver knows it."""
        capacity = (self.capacity or Capacity()).model_dump()
        services = [one.service() for one in self.services]
        return Problem(services, {name: capacity[name] for name in RESOURCES}, most_utilisation)
