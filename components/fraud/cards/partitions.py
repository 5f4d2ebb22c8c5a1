"""A table in time order goes into files of whole entities, and results come back by row: nothing is held at once."""

import zlib
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pyarrow as pa

from components.fraud.cards.table import epoch_us, fraud_known_us
from components.fraud.cards.totals import Integers

_SCHEMA = pa.schema(
    [
        ("entity", pa.string()),
        ("row", pa.int64()),
        ("occurred_us", pa.int64()),
        ("amount_minor", pa.int64()),
        ("fraud_known_us", pa.int64()),
    ]
)


@dataclass(frozen=True)
class Partition:
    """All rows of some entities, by entity and then in the table's order."""

    names: Sequence[str]
    """Entity ids; `entity` holds indices into it."""
    entity: Integers
    row: Integers
    occurred_us: Integers
    amount_minor: Integers
    fraud_known_us: Integers
    """When a row became known to be a fraud, `NEVER` where it did not."""


class Scatter:
    """Writes the rows of a table into one file a partition; an entity lies in one partition whole."""

    def __init__(self, folder: Path, key: str, partitions: int, stack: ExitStack) -> None:
        self._key = key
        self._paths = [folder / f"{key}-{index}.arrow" for index in range(partitions)]
        self._files = [stack.enter_context(pa.ipc.new_stream(str(path), _SCHEMA)) for path in self._paths]

    def feed(self, batch: pa.RecordBatch, first_row: int) -> None:
        """Write one batch whose first row has the given number in the table."""
        names = batch[self._key].dictionary_encode()
        homes = np.array([zlib.crc32(name.encode()) % len(self._files) for name in names.dictionary.to_pylist()])
        home = homes[names.indices.to_numpy()] if len(names) else np.empty(0, dtype=np.int64)
        order = np.argsort(home, kind="stable")
        columns = [
            batch[self._key],
            pa.array(np.arange(first_row, first_row + batch.num_rows)),
            pa.array(epoch_us(batch["occurred_at"])),
            batch["amount_minor"],
            pa.array(fraud_known_us(batch)),
        ]
        sorted_rows = pa.RecordBatch.from_arrays(columns, schema=_SCHEMA).take(pa.array(order))
        edges = np.searchsorted(home[order], np.arange(len(self._files) + 1))
        for file, start, stop in zip(self._files, edges[:-1], edges[1:], strict=True):
            if stop > start:
                file.write_batch(sorted_rows.slice(start, stop - start))

    def partitions(self) -> Iterator[Partition]:
        """Each partition in turn, once everything is fed and closed; its file is removed when the next is asked for."""
        for path in self._paths:
            with pa.OSFile(str(path)) as source, pa.ipc.open_stream(source) as reader:
                yield _sorted(reader.read_all())
            path.unlink()


def _sorted(table: pa.Table) -> Partition:
    names = table["entity"].combine_chunks().dictionary_encode()
    names = names if isinstance(names, pa.DictionaryArray) else pa.concat_arrays(names.chunks)
    entity = names.indices.to_numpy().astype(np.int64)
    # Rows stand in the table's order already; a stable sort keeps it within each entity.
    order = np.argsort(entity, kind="stable")
    columns = {name: table[name].to_numpy()[order] for name in _SCHEMA.names[1:]}
    return Partition(names.dictionary.to_pylist(), entity[order], **columns)


class Gather:
    """Takes values by row number in any order and gives them back in row order, a chunk of rows at a time."""

    def __init__(self, folder: Path, name: str, rows: int, chunk_rows: int, width: int, stack: ExitStack) -> None:
        self._chunk_rows, self._rows, self._width = chunk_rows, rows, width
        chunks = max(1, -(-rows // chunk_rows))
        self._paths = [folder / f"{name}-{index}.values" for index in range(chunks)]
        self._files: list[BinaryIO] = [stack.enter_context(path.open("wb")) for path in self._paths]

    def put(self, row: Integers, values: np.ndarray[tuple[int, int], np.dtype[np.float32]]) -> None:
        """Keep `values` `[n, width]` of the rows `[n]`."""
        order = np.argsort(row)
        row, values = row[order], values[order]
        edges = np.searchsorted(row, np.arange(len(self._files) + 1) * self._chunk_rows)
        for file, start, stop in zip(self._files, edges[:-1], edges[1:], strict=True):
            if stop > start:
                np.save(file, row[start:stop])
                np.save(file, values[start:stop])

    def chunk(self, index: int) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
        """The values of one chunk in row order, once everything is put and closed."""
        first = index * self._chunk_rows
        values = np.empty((min(self._chunk_rows, self._rows - first), self._width), dtype=np.float32)
        path = self._paths[index]
        with path.open("rb") as file:
            while file.tell() < path.stat().st_size:
                row = np.load(file)
                values[row - first] = np.load(file)
        path.unlink()
        return values
