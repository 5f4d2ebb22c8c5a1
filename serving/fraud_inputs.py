"""What a fraud request may hold: checked row by row, so that an error names the row and the field."""

from collections.abc import Mapping

import numpy as np
import orjson
from numpy.typing import NDArray

from components.fraud.detectors import Detector
from components.fraud.raw_fields import RawField
from serving.errors import InvalidValueError, MalformedError
from serving.tensors import Tensor

Rows = NDArray[np.float32]
Record = Mapping[str, object]

_MOST_PROBLEMS = 3


class FeatureBounds:
    """Which values each feature of a detector may take.

    A feature that its field says is not negative may not be; only one whose field may be left out may be missing (NaN).
    Card features hold a transaction's amount and what was derived from states, of which only the amount is bounded.
    """

    def __init__(self, detector: Detector) -> None:
        self.names = detector.feature_names
        fields = {name: field for field in detector.fields for name in field.features}
        limits = [_limits(name, fields.get(name)) for name in self.names]
        self._low = np.array([low for low, _, _ in limits], np.float32)
        self._high = np.array([high for _, high, _ in limits], np.float32)
        self._missable = np.array([missable for _, _, missable in limits])

    def check(self, rows: Rows) -> None:
        """Raise InvalidValueError naming the first value that cannot be."""
        good = (rows >= self._low) & (rows <= self._high)  # false for NaN, and for infinity since both are finite
        if good.all():
            return
        good |= np.isnan(rows) & self._missable
        if good.all():
            return
        row, column = np.argwhere(~good)[0]
        value, name = rows[row, column], self.names[column]
        if np.isnan(value):
            why = "may not be missing"
        elif not np.isfinite(value):
            why = "must be finite"
        else:
            why = f"must be between {self._low[column]:g} and {self._high[column]:g}"
        raise InvalidValueError(f"'features' row {row}, {name!r} is {value:g}; it {why}")


def _limits(name: str, field: RawField | None) -> tuple[float, float, bool]:
    """Least and greatest value of a feature and whether it may be missing; card features have no field of their own."""
    most = float(np.finfo(np.float32).max)
    if field is None:
        return (0.0 if name == "amount" else -most), most, False
    high = 1.0 if field.kind in ("rate", "flag", "category") else most
    return (-most if field.kind == "signed" else 0.0), high, not field.required


def checked_features(tensor: Tensor, bounds: FeatureBounds) -> Rows:
    """The input `features` as FP32 `[N, F]`; raise InvalidValueError."""
    width = len(bounds.names)
    if tensor.datatype != "FP32" or len(tensor.shape) != 2 or tensor.shape[1] != width:
        raise InvalidValueError(
            f"expected 'features' as FP32 [N, {width}], received {tensor.datatype} {list(tensor.shape)}"
        )
    rows = np.ascontiguousarray(tensor.data, np.float32)
    bounds.check(rows)
    return rows


def checked_records(tensor: Tensor) -> list[Record]:
    """The input `record`, a JSON object a row; raise InvalidValueError naming the row."""
    if tensor.datatype != "BYTES" or len(tensor.shape) != 1 or isinstance(tensor.data, np.ndarray):
        raise InvalidValueError(f"expected 'record' as BYTES [N], received {tensor.datatype} {list(tensor.shape)}")
    return [_object(text, row) for row, text in enumerate(tensor.data)]


def check_fields(detector: Detector, record: Record, row: int) -> None:
    """Raise InvalidValueError with every field of a record that is unknown, missing or wrong."""
    problems = detector.check(record)
    if problems:
        told = "; ".join(f"{problem.pointer} {problem.detail}" for problem in problems[:_MOST_PROBLEMS])
        more = f"; and {len(problems) - _MOST_PROBLEMS} more" if len(problems) > _MOST_PROBLEMS else ""
        raise InvalidValueError(f"'record' row {row}: {told}{more}")


def checked_explain(value: object) -> bool:
    """Request parameter `explain`, false where it is absent; raise MalformedError."""
    if value is None or isinstance(value, bool):
        return bool(value)
    raise MalformedError(f"parameter explain is {value!r}; expected true or false")


def check_rows(rows: int, most: int) -> None:
    """Raise InvalidValueError unless a request holds 1 to `most` rows."""
    if not 1 <= rows <= most:
        raise InvalidValueError(f"a request takes 1 to {most} rows, received {rows}; split it")


def _object(text: str, row: int) -> Record:
    try:
        record = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise InvalidValueError(f"'record' row {row} is no JSON: {error}") from error
    if not isinstance(record, dict):
        raise InvalidValueError(f"'record' row {row} is no JSON object but a {type(record).__name__}")
    return record
