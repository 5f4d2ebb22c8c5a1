"""The log's database: its one writer at a time, its clock, and lists as one parameter."""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager

from sqlalchemy import ColumnElement, Connection, Text, any_, bindparam, cast, func, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.sql.selectable import TableValuedAlias

from runtime.decision_log.quick import Reader, as_sqlalchemy, reading
from runtime.decision_log.schema import metadata
from runtime.moments import system_microseconds
from runtime.one_writer import OneWriter

_LOCK = 7_203_115  # any constant that nothing else in the database uses, nor the one after it


class Database(OneWriter):
    """Connections to the log; see `OneWriter`."""

    def __init__(self, database_url: str, clock: Callable[[], int] = system_microseconds) -> None:
        super().__init__(database_url, metadata, _LOCK, clock)

    def looking(self) -> AbstractContextManager[Reader]:
        """A read that waits for no writer, for queries that every case makes."""
        return reading(self.engine)

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction that no other writer's overlaps; the driver's errors come as SQLAlchemy's."""
        with as_sqlalchemy(self.engine), super().writing() as connection:
            yield connection


def listed(parameter: str, dialect: str) -> TableValuedAlias:
    """A list that is given as one parameter, see `as_list`, as rows of one column `value`."""
    if dialect == "postgresql":
        return func.unnest(_text_array(parameter)).table_valued("value").render_derived()
    return func.json_each(bindparam(parameter, type_=Text)).table_valued("value")


def among(column: ColumnElement[str], parameter: str, dialect: str) -> ColumnElement[bool]:
    """`column` is one of a list that is given as one parameter: no limit, one statement for all lengths."""
    if dialect == "postgresql":
        return column == any_(_text_array(parameter))
    return column.in_(select(listed(parameter, dialect).c.value))


def _text_array(parameter: str) -> ColumnElement[Sequence[str]]:
    return cast(bindparam(parameter, type_=ARRAY(Text)), ARRAY(Text))


def as_list(values: Sequence[str], dialect: str) -> object:
    """The value of a parameter of `listed` or `among`."""
    if dialect == "postgresql":
        return list(values)
    return json.dumps(list(values))
