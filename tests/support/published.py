"""Exchanges as `serving/contracts/` publishes them."""

from typing import Any

import numpy as np
from kserve import InferInput, InferRequest


def kserve_request(model: str, exchange: dict[str, Any], raw: bool) -> InferRequest:
    """The published request as KServe's client sends it; a tensor without example data is zeros."""
    request = exchange["request"]
    inputs = []
    for one in request["inputs"]:
        tensor = InferInput(one["name"], one["shape"], one["datatype"])
        strings = one["datatype"] == "BYTES"
        data = np.array(one["data"], np.object_) if strings else np.zeros(one["shape"], np.float32)
        tensor.set_data_from_numpy(data, binary_data=raw)
        inputs.append(tensor)
    return InferRequest(model, inputs, parameters={**request.get("parameters", {})})
