"""All capabilities by their type."""

from collections.abc import Iterable, Mapping
from functools import cached_property

from brain.capabilities import crypto, fraud, planned
from brain.capabilities.parts import Parts
from brain.capabilities.port import Capability
from runtime.problems import nearest


class UnknownTypeError(LookupError):
    """No capability has this type; `nearest` is the one that resembles it most."""

    def __init__(self, name: str, known: Iterable[str]) -> None:
        listed = sorted(known)
        self.name = name
        self.nearest = nearest(name, listed)
        hint = f"; did you mean {self.nearest!r}?" if self.nearest else ""
        shown = name if len(name) <= 80 else name[:77] + "..."
        super().__init__(f"there is no type {shown!r}{hint or '.'} Known: {', '.join(listed)}")


class Registry:
    """Capabilities in the order of their types.

    Raises:
        ValueError: A type stands twice, comes after one that nobody knows, or after itself by way of others.
    """

    def __init__(self, capabilities: Iterable[Capability]) -> None:
        listed = sorted(capabilities, key=lambda one: one.type)
        self._by_type = {one.type: one for one in listed}
        if len(self._by_type) != len(listed):
            names = [one.type for one in listed]
            raise ValueError(f"types stand twice: {sorted({name for name in names if names.count(name) > 1})}")
        _check_order(self._by_type)

    def get(self, name: str) -> Capability:
        """The capability of this type.

        Raises:
            UnknownTypeError: There is none; the error names the nearest.
        """
        found = self._by_type.get(name)
        if found is None:
            raise UnknownTypeError(name, self._by_type)
        return found

    def served(self) -> tuple[Capability, ...]:
        """Those that somebody answers for."""
        return tuple(one for one in self._by_type.values() if one.served)

    def known(self) -> tuple[Capability, ...]:
        """All, served or not."""
        return tuple(self._by_type.values())

    def domains(self) -> Mapping[str, tuple[Capability, ...]]:
        """All by their domain."""
        return self._domains

    @cached_property
    def _domains(self) -> Mapping[str, tuple[Capability, ...]]:
        names = sorted({one.domain for one in self.known()})
        return {name: tuple(one for one in self.known() if one.domain == name) for name in names}


def build_registry(parts: Parts) -> Registry:
    """Everything that the platform serves or will serve, answered for by these parts."""
    return Registry([*crypto.capabilities(parts), *fraud.capabilities(parts), *planned.capabilities()])


def _check_order(by_type: Mapping[str, Capability]) -> None:
    from graphlib import CycleError, TopologicalSorter

    for one in by_type.values():
        unknown = [name for name in one.after if name not in by_type]
        if unknown:
            raise ValueError(f"{one.type!r} comes after {unknown}, which nobody knows")
    try:
        TopologicalSorter({name: one.after for name, one in by_type.items()}).prepare()
    except CycleError as error:
        raise ValueError(f"types come after one another: {' -> '.join(error.args[1])}") from error
