"""HTTP connections to everything behind the gateway, kept open between calls."""

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import aiohttp

USER_AGENT = "ai-orchestration"


class HttpError(Exception):
    """A call that brought no whole answer."""


class ConnectionFailedError(HttpError):
    """No connection, or it was lost before an answer began."""


class BrokenAnswerError(HttpError):
    """What came is not HTTP, or breaks off."""


class AnswerTooLargeError(HttpError):
    """The body is larger than was allowed."""


@dataclass(frozen=True)
class Answer:
    """A complete answer, of whatever status."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class HttpClient:
    """A pool of connections for one event loop; redirects are not followed and no cookie is kept.

    Bodies are asked for as they are: compression between processes of one machine or one cluster costs more than it
    saves, and an answer that nobody unpacks cannot unfold to gigabytes.

    Args:
        connect_seconds: Longest wait for a connection.
        connections: Most connections to one host; calls beyond wait for one of them.
    """

    def __init__(self, *, connect_seconds: float, connections: int) -> None:
        self._connect_seconds = connect_seconds
        self._connections = connections
        self._opened: aiohttp.ClientSession | None = None

    async def send(
        self, method: str, url: str, headers: Mapping[str, str], *, body: bytes | None, most_bytes: int | None
    ) -> Answer:
        """Make one call; it has no deadline of its own.

        Args:
            method: Such as GET.
            url: Whole address.
            headers: Beside those that every call has.
            body: None sends none.
            most_bytes: Largest body that is read; None reads none, and the answer's is empty.

        Raises:
            ConnectionFailedError: No connection, or it was lost before an answer began.
            BrokenAnswerError: What came is not HTTP, breaks off, or is encoded although it was asked for as it is.
            AnswerTooLargeError: The body is larger than `most_bytes`.
        """
        with _translated():
            async with self._session().request(
                method, url, data=body, headers=headers, allow_redirects=False
            ) as response:
                content = b"" if most_bytes is None else await _read(response, most_bytes)
                return Answer(response.status, response.headers, content)

    async def aclose(self) -> None:
        """Close the connections."""
        if self._opened is not None:
            await self._opened.close()

    def _session(self) -> aiohttp.ClientSession:
        if self._opened is None:
            self._opened = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, limit_per_host=self._connections),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=self._connect_seconds),
                headers={"Accept-Encoding": "identity", "User-Agent": USER_AGENT},
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                trust_env=False,
            )
        return self._opened


async def _read(response: aiohttp.ClientResponse, most_bytes: int) -> bytes:
    encoding = response.headers.get("Content-Encoding", "identity")
    if encoding.lower() != "identity":
        raise BrokenAnswerError(f"it is encoded as {encoding[:40]!r}, which was not asked for")
    content = bytearray()
    async for chunk in response.content.iter_any():
        content += chunk
        if len(content) > most_bytes:
            raise AnswerTooLargeError(f"its answer is larger than {most_bytes} bytes")
    return bytes(content)


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except (aiohttp.ServerDisconnectedError, aiohttp.ClientPayloadError, aiohttp.ClientResponseError) as error:
        raise BrokenAnswerError(_words(error)) from error
    except (aiohttp.ClientError, OSError) as error:
        raise ConnectionFailedError(_words(error)) from error


def _words(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"
