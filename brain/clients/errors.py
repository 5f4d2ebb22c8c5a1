"""What can go wrong upstream, each with the status that the gateway's caller gets."""

from runtime.problems import Problem


class UpstreamError(Problem):
    """A process behind the gateway failed; `service` names it."""

    def __init__(self, status: int, service: str, detail: str, retry_after_seconds: int | None = None) -> None:
        headers = {} if retry_after_seconds is None else {"Retry-After": str(retry_after_seconds)}
        super().__init__(status, detail=detail, headers=headers, extensions={"service": service})
        self.service = service


class UpstreamUnavailableError(UpstreamError):
    """It cannot be reached, or says that it cannot answer now."""

    def __init__(self, service: str, reason: str, retry_after_seconds: int = 2) -> None:
        detail = f"{service} cannot answer now: {reason}; try again in {retry_after_seconds} s"
        super().__init__(503, service, detail, retry_after_seconds)


class UpstreamTimeoutError(UpstreamError):
    """No answer before the deadline."""

    def __init__(self, service: str) -> None:
        super().__init__(504, service, f"{service} did not answer before the deadline; try again or allow more time", 1)


class UpstreamProtocolError(UpstreamError):
    """It answered something that its contract does not allow."""

    def __init__(self, service: str, reason: str) -> None:
        super().__init__(502, service, f"{service} broke its contract: {reason}")


class UpstreamRefusedError(UpstreamError):
    """It refused the request with a client error; `answered` is its status and `reason` its words."""

    def __init__(self, service: str, answered: int, reason: str) -> None:
        super().__init__(502, service, f"{service} refused the gateway's request with {answered}: {reason}")
        self.answered = answered
        self.reason = reason
