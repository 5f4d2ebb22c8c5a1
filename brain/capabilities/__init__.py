"""What runs can be made of: one typed registry, to which each family adds a file."""

from brain.capabilities.port import Answer, Call, Capability, Estimate
from brain.capabilities.registry import Registry, UnknownTypeError, build_registry

__all__ = ["Answer", "Call", "Capability", "Estimate", "Registry", "UnknownTypeError", "build_registry"]
