"""The console's session: a signed cookie that names a key and holds no secret."""

from http.cookies import CookieError, SimpleCookie

from itsdangerous import BadSignature, TimestampSigner

COOKIE = "brain_session"


class Sessions:
    """Signs and reads session cookies.

    Args:
        secret: Shared by all replicas; changing it ends every session.
        seconds: How long a session lasts.
        secure: Whether the cookie is kept to HTTPS.
    """

    def __init__(self, secret: str, *, seconds: int, secure: bool) -> None:
        self._signer = TimestampSigner(secret, salt="brain.session")
        self._seconds = seconds
        self._secure = secure

    def issue(self, key_id: str) -> str:
        """The `Set-Cookie` value of a new session."""
        return self._cookie(self._signer.sign(key_id).decode(), self._seconds)

    def end(self) -> str:
        """The `Set-Cookie` value that makes a browser forget its session."""
        return self._cookie("", 0)

    def key_id(self, cookie_header: str) -> str | None:
        """The id of the key that a request's cookie names; None without one, or where it is forged or too old."""
        try:
            morsel = SimpleCookie(cookie_header).get(COOKIE)
        except CookieError:
            return None
        if morsel is None or not morsel.value:
            return None
        try:
            return self._signer.unsign(morsel.value, max_age=self._seconds).decode()
        except BadSignature:
            return None

    def _cookie(self, value: str, seconds: int) -> str:
        parts = [f"{COOKIE}={value}", "Path=/", f"Max-Age={seconds}", "HttpOnly", "SameSite=Strict"]
        return "; ".join([*parts, "Secure"] if self._secure else parts)
