"""What can go wrong in a release."""


class ReleaseError(RuntimeError):
    """A release cannot go on; the message says what to do."""


class CandidateFolderError(ReleaseError):
    """The folder is not a finished candidate."""


class PromotionRefusedError(ReleaseError):
    """The version may not become champion."""


class SmokeError(ReleaseError):
    """The bundle did not answer as a model must."""


class GateError(ReleaseError):
    """The losses cannot decide anything."""


class DeployError(ReleaseError):
    """The cluster does not hold, or did not take, what was to be deployed."""
