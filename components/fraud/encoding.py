"""From raw fields to the matrix that models read: one function for tables and for requests."""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from components.fraud.raw_fields import OTHER, FieldError, RawField

Float32Array = npt.NDArray[np.float32]
Columns = Mapping[str, Sequence[object] | npt.NDArray[np.generic]]


def encode_records(fields: Sequence[RawField], records: Sequence[Mapping[str, object]]) -> Float32Array:
    """Records that passed their check, [N, F]; fields that were left out are missing values (NaN)."""
    used = [field for field in fields if field.features]
    columns = {field.name: [record.get(field.name) for record in records] for field in used}
    return encode_columns(fields, columns)


def encode_columns(fields: Sequence[RawField], columns: Columns) -> Float32Array:
    """Columns of equal length N, by field name, [N, F] in the order of the fields' features.

    A category becomes a column of zeros and ones for every category; one that is none of them counts as `other`.

    Raises:
        FieldError: A column is missing.
    """
    parts = []
    for field in fields:
        if not field.features:
            continue
        if field.name not in columns:
            raise FieldError(f"there is no column {field.name!r}; columns are {', '.join(columns)}")
        values = columns[field.name]
        parts.append(_one_hot(field, values) if field.kind == "category" else _numbers(values))
    return np.ascontiguousarray(np.concatenate(parts, axis=1))


def _numbers(values: Sequence[object] | npt.NDArray[np.generic]) -> Float32Array:
    return np.asarray(values, dtype=np.float64).astype(np.float32)[:, None]


def _one_hot(field: RawField, values: Sequence[object] | npt.NDArray[np.generic]) -> Float32Array:
    names = [feature.partition("=")[2] for feature in field.features]
    position = {name: index for index, name in enumerate(names)}
    last = position[OTHER]
    found = np.array([position.get(str(value), last) for value in values], dtype=np.int64)
    return np.eye(len(names), dtype=np.float32)[found]
