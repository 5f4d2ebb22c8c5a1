"""The short way for one model: bytes to arrays, arrays to bytes, no web framework and no model classes in between."""

import asyncio
from collections.abc import Awaitable, Callable

import orjson

from serving import codec_v1, codec_v2
from serving.asgi import Request, Response, caller_alive, read_body
from serving.errors import MalformedError, unknown_name
from serving.metrics import PredictorMetrics
from serving.served import Served
from serving.tensors import Call

Answer = Callable[[Request], Awaitable[Response]]


class ModelRoutes:
    """Inference and metadata of one model.

    Args:
        served: The version in service.
        metrics: Told of every prediction.
        body_limit_bytes: Largest request.
    """

    def __init__(self, served: Served, metrics: PredictorMetrics, body_limit_bytes: int) -> None:
        self._served, self._limit = served, body_limit_bytes
        self.metrics = metrics
        self.name = served.model_name
        self.posts: dict[str, tuple[str, Answer]] = {
            f"/v2/models/{self.name}/infer": ("v2", self.infer_v2),
            f"/v1/models/{self.name}:predict": ("v1", self.predict_v1),
        }
        self.metadata_path = f"/v2/models/{self.name}"
        self.version_prefix = f"/v2/models/{self.name}/versions/"

    def check_version(self, version: str) -> None:
        """Raise UnknownNameError unless it is the version served."""
        served = self._served.require().version
        if version != served:
            raise unknown_name(f"version of {self.name}", version, [served])

    async def infer_v2(self, request: Request) -> Response:
        """Answer in the V2 protocol."""
        predictor = self._served.require()
        length = request.headers.get(codec_v2.BINARY_HEADER)
        if length is not None and not length.isdigit():
            raise MalformedError(f"Inference-Header-Content-Length is {length[:40]!r}; expected a number of bytes")
        deadline = asyncio.get_running_loop().time() + request.seconds_left
        body = await read_body(request, self._limit, deadline)
        wire = codec_v2.decode(body, None if length is None else int(length))
        outputs = await predictor.predict(Call(wire.inputs, wire.parameters, deadline, caller_alive(request.receive)))
        content, json_bytes = codec_v2.encode(
            request=wire,
            request_id=request.request_id,
            model_name=self.name,
            model_version=predictor.version,
            parameters=predictor.parameters,
            outputs=outputs,
        )
        if json_bytes is None:
            return Response(content)
        return Response(content, 200, b"application/octet-stream", [(codec_v2.BINARY_HEADER, b"%d" % json_bytes)])

    async def predict_v1(self, request: Request) -> Response:
        """Answer in the V1 protocol."""
        predictor = self._served.require()
        deadline = asyncio.get_running_loop().time() + request.seconds_left
        inputs, parameters = codec_v1.decode(await read_body(request, self._limit, deadline), predictor.inputs)
        outputs = await predictor.predict(Call(inputs, parameters, deadline, caller_alive(request.receive)))
        rows = next(iter(inputs.values())).shape[0]
        return Response(
            codec_v1.encode(
                model_name=self.name,
                model_version=predictor.version,
                parameters=predictor.parameters,
                outputs=outputs,
                rows=rows,
            )
        )

    def metadata(self) -> Response:
        """What the model takes and gives, and what its version says of itself."""
        predictor = self._served.require()
        return Response(
            orjson.dumps(
                {
                    "name": self.name,
                    "versions": [predictor.version],
                    "platform": "onnxruntime_onnx",
                    "inputs": [spec.as_dict() for spec in predictor.inputs],
                    "outputs": [spec.as_dict() for spec in predictor.outputs],
                    "properties": {**predictor.properties},
                }
            )
        )

    def publish(self) -> None:
        """Bring the model's gauges up to date."""
        predictor = self._served.predictor
        self.metrics.state(
            ready=self._served.ready,
            health=self._served.health,
            waiting_rows=predictor.waiting_rows if predictor else 0,
        )
