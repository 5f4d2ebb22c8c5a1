"""Who is let in: keys, scopes, sessions, hosts, origins, limits."""

import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import structlog.testing

PREDICT = "/api/v1/crypto/predict"
BODY = {"symbol": "BTC"}
HTML = {"Accept": "text/html,application/xhtml+xml"}


def problem(answer: httpx.Response, status: int) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    return answer.json()


@pytest.fixture
async def secured(open_gateway: Callable[..., Any], predictor: Any) -> Any:
    """A gateway that asks for keys and believes none longer than an instant."""
    return await open_gateway(predictor.url, auth="required", key_cache_seconds=0)


@pytest.mark.parametrize("path", ["/api/v1/crypto/symbols", "/status", "/metrics", "/nothing"])
async def test_without_a_key_every_path_but_the_public_ones_is_401(secured: Any, path: str) -> None:
    answer = await secured.client.get(path)
    problem(answer, 401)
    assert answer.headers["www-authenticate"].startswith("Bearer")


@pytest.mark.parametrize("path", ["/health", "/ready", "/docs", "/openapi.json", "/login", "/static/base.css"])
async def test_probes_and_pages_that_hold_no_data_need_no_key(secured: Any, path: str) -> None:
    assert (await secured.client.get(path)).status_code == 200


async def test_a_body_is_not_looked_at_before_the_key(secured: Any) -> None:
    problem(await secured.client.post(PREDICT, content=b"{", headers={"Content-Type": "application/json"}), 401)


@pytest.mark.parametrize("style", ["Bearer", "bearer", "X-API-Key"])
async def test_a_key_with_the_scope_is_let_in_by_either_header(secured: Any, style: str) -> None:
    key = secured.create_key("predict")
    headers = {"X-API-Key": key} if style == "X-API-Key" else {"Authorization": f"{style} {key}"}
    assert (await secured.client.post(PREDICT, json=BODY, headers=headers)).status_code == 200


async def test_a_key_without_the_scope_is_403_and_told_which_it_needs(secured: Any) -> None:
    key = secured.create_key("predict")
    document = problem(await secured.client.get("/status", headers={"X-API-Key": key}), 403)
    assert document["scope"] == "status"
    other = secured.create_key("status")
    problem(await secured.client.post(PREDICT, json=BODY, headers={"X-API-Key": other}), 403)


async def test_the_admin_scope_includes_the_others(secured: Any) -> None:
    headers = {"X-API-Key": secured.create_key("admin")}
    for path in ("/status", "/metrics", "/api/v1/crypto/symbols"):
        assert (await secured.client.get(path, headers=headers)).status_code == 200


@pytest.mark.parametrize("value", ["", "aio_wrong", "x" * 5000, "Ünïcode", "' OR 1=1 --"])
async def test_a_wrong_key_is_401_and_is_not_repeated(secured: Any, value: str) -> None:
    answer = await secured.client.get("/status", headers={"X-API-Key": value.encode()})
    problem(answer, 401)
    assert not value or value not in answer.text


async def test_other_kinds_of_authorization_are_401(secured: Any) -> None:
    problem(await secured.client.get("/status", headers={"Authorization": "Basic dXNlcjpwYXNz"}), 401)


async def test_a_revoked_key_and_an_ended_key_are_401(secured: Any) -> None:
    revoked, ended = secured.create_key("status"), secured.create_key("status", days=-1)
    assert (await secured.client.get("/status", headers={"X-API-Key": revoked})).status_code == 200
    secured.services.keys.revoke(secured.id_of(revoked), datetime.now(UTC))
    for key in (revoked, ended):
        problem(await secured.client.get("/status", headers={"X-API-Key": key}), 401)


async def test_a_checked_key_is_believed_for_the_stated_time_only(open_gateway: Callable[..., Any]) -> None:
    gateway = await open_gateway(auth="required", key_cache_seconds=60)
    headers = {"X-API-Key": gateway.create_key("status")}
    assert (await gateway.client.get("/status", headers=headers)).status_code == 200
    gateway.services.keys.revoke(gateway.id_of(headers["X-API-Key"]), datetime.now(UTC))
    assert (await gateway.client.get("/status", headers=headers)).status_code == 200


async def test_without_required_keys_a_wrong_one_is_refused_all_the_same(open_gateway: Callable[..., Any]) -> None:
    gateway = await open_gateway()
    assert (await gateway.client.get("/status")).status_code == 200
    problem(await gateway.client.get("/status", headers={"X-API-Key": "aio_wrong"}), 401)


async def test_metrics_may_be_opened_for_a_scraper_that_has_no_key(open_gateway: Callable[..., Any]) -> None:
    gateway = await open_gateway(auth="required", metrics_require_key=False)
    assert (await gateway.client.get("/metrics")).status_code == 200
    problem(await gateway.client.get("/status"), 401)


async def test_while_the_key_store_is_away_keys_are_503_and_the_gateway_is_not_ready(secured: Any) -> None:
    key = secured.create_key("status")
    secured.services.keys.close()
    answer = await secured.client.get("/status", headers={"X-API-Key": key})
    problem(answer, 503)
    assert answer.headers["retry-after"]
    problem(await secured.client.get("/ready"), 503)
    assert (await secured.client.get("/health")).status_code == 200


async def test_a_person_without_a_session_is_led_to_the_login_page(secured: Any) -> None:
    answer = await secured.client.get("/", headers=HTML)
    assert (answer.status_code, answer.headers["location"]) == (303, "/login")
    assert "API key" in (await secured.client.get("/login")).text


async def test_logging_in_gives_a_strict_cookie_that_opens_the_console(secured: Any) -> None:
    answer = await secured.client.post("/login", data={"key": secured.create_key("predict", "status")})
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie and "SameSite=Strict" in cookie and "Path=/" in cookie and "aio_" not in cookie
    assert (await secured.client.get("/", headers=HTML)).status_code == 200
    own = {"Origin": "http://127.0.0.1:8000"}
    assert (await secured.client.post(PREDICT, json=BODY, headers=own)).status_code == 200


async def test_a_cookie_acts_only_for_the_gateways_own_page(secured: Any) -> None:
    await secured.client.post("/login", data={"key": secured.create_key("predict")})
    problem(await secured.client.post(PREDICT, json=BODY), 403)
    problem(await secured.client.post(PREDICT, json=BODY, headers={"Origin": "http://127.0.0.1:9999"}), 403)
    assert (await secured.client.post(PREDICT, json=BODY, headers={"Sec-Fetch-Site": "same-origin"})).status_code == 200


async def test_a_wrong_key_at_the_login_is_401_and_gets_no_cookie(secured: Any) -> None:
    answer = await secured.client.post("/login", data={"key": "aio_wrong"})
    assert answer.status_code == 401 and "set-cookie" not in answer.headers
    assert "unknown, revoked" in answer.text and "aio_wrong" not in answer.text


async def test_logging_out_ends_the_session(secured: Any) -> None:
    await secured.client.post("/login", data={"key": secured.create_key("status")})
    assert (await secured.client.get("/status")).status_code == 200
    assert "Max-Age=0" in (await secured.client.post("/logout")).headers["set-cookie"]
    problem(await secured.client.get("/status"), 401)


async def test_revoking_a_key_ends_its_sessions(secured: Any) -> None:
    key = secured.create_key("status")
    await secured.client.post("/login", data={"key": key})
    secured.services.keys.revoke(secured.id_of(key), datetime.now(UTC))
    problem(await secured.client.get("/status"), 401)


@pytest.mark.parametrize("forged", ["key_1.abc.def", "", "x" * 4000, "a;b=c", '"'])
async def test_a_forged_cookie_opens_nothing(secured: Any, forged: str) -> None:
    problem(await secured.client.get("/status", headers={"Cookie": f"brain_session={forged}"}), 401)


async def test_a_session_of_another_secret_or_too_old_opens_nothing(secured: Any) -> None:
    from brain.security.sessions import Sessions

    key_id = secured.id_of(secured.create_key("status"))
    for sessions in (Sessions("o" * 40, seconds=60, secure=False),):
        cookie = sessions.issue(key_id).partition(";")[0]
        problem(await secured.client.get("/status", headers={"Cookie": cookie}), 401)
    good = Sessions("s" * 40, seconds=60, secure=False).issue(key_id).partition(";")[0]
    assert Sessions("s" * 40, seconds=60, secure=False).key_id(good) == key_id
    assert Sessions("s" * 40, seconds=-1, secure=False).key_id(good) is None


async def test_logins_from_one_address_are_limited(open_gateway: Callable[..., Any]) -> None:
    gateway = await open_gateway(auth="required", login_rate_limit="3/minute")
    for _ in range(3):
        assert (await gateway.client.post("/login", data={"key": "aio_wrong"})).status_code == 401
    answer = await gateway.client.post("/login", data={"key": "aio_wrong"})
    problem(answer, 429)
    assert 1 <= int(answer.headers["retry-after"]) <= 60


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8000", "127.0.0.1.evil.example", "", "[::2]"])
async def test_another_hosts_name_is_refused_on_loopback_too(open_gateway: Callable[..., Any], host: str) -> None:
    gateway = await open_gateway()
    problem(await gateway.client.get("/status", headers={"Host": host}), 421)


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:8000", "127.0.0.1", "[::1]:8000", "brain.example.com"])
async def test_the_gateways_own_names_are_taken(open_gateway: Callable[..., Any], host: str) -> None:
    gateway = await open_gateway(trusted_hosts=("brain.example.com",))
    assert (await gateway.client.get("/status", headers={"Host": host})).status_code == 200


async def test_probes_are_answered_under_any_name(open_gateway: Callable[..., Any]) -> None:
    gateway = await open_gateway()
    for path in ("/health", "/ready"):
        assert (await gateway.client.get(path, headers={"Host": "10.0.0.7:8000"})).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost:3000"},
        {"Sec-Fetch-Site": "cross-site"},
    ],
    ids=["another", "null", "another port", "browser says cross-site"],
)
async def test_a_page_of_another_origin_may_not_act(
    open_gateway: Callable[..., Any], predictor: Any, headers: dict[str, str]
) -> None:
    gateway = await open_gateway(predictor.url)
    problem(await gateway.client.post(PREDICT, json=BODY, headers=headers), 403)


async def test_the_own_origin_and_an_allowed_one_may_act(open_gateway: Callable[..., Any], predictor: Any) -> None:
    gateway = await open_gateway(predictor.url, allowed_origins=("https://desk.example.com",))
    for origin in ("http://127.0.0.1:8000", "https://desk.example.com"):
        answer = await gateway.client.post(PREDICT, json=BODY, headers={"Origin": origin})
        assert answer.status_code == 200
        assert "access-control-allow-origin" not in answer.headers


async def test_too_many_requests_of_one_key_are_429_with_retry_after_and_others_go_on(
    open_gateway: Callable[..., Any], predictor: Any
) -> None:
    gateway = await open_gateway(predictor.url, auth="required", predict_rate_limit="3/minute")
    busy, calm = gateway.create_key("predict"), gateway.create_key("predict")
    for _ in range(3):
        assert (await gateway.client.post(PREDICT, json=BODY, headers={"X-API-Key": busy})).status_code == 200
    answer = await gateway.client.post(PREDICT, json=BODY, headers={"X-API-Key": busy})
    assert problem(answer, 429)["limit"] == "predict"
    assert 1 <= int(answer.headers["retry-after"]) <= 60
    assert (await gateway.client.post(PREDICT, json=BODY, headers={"X-API-Key": calm})).status_code == 200


async def test_all_requests_count_towards_the_general_limit(open_gateway: Callable[..., Any]) -> None:
    gateway = await open_gateway(rate_limit="2/minute")
    for _ in range(2):
        assert (await gateway.client.get("/openapi.json")).status_code == 200
        assert (await gateway.client.get("/status")).status_code == 200
    problem(await gateway.client.get("/status"), 429)
    assert (await gateway.client.get("/health")).status_code == 200


async def test_a_key_never_appears_in_logs_or_in_the_store(
    secured: Any, caplog: pytest.LogCaptureFixture, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    key = secured.create_key("predict", "status")
    with caplog.at_level(logging.DEBUG):
        await secured.client.get("/status", headers={"Authorization": f"Bearer {key}"})
        await secured.client.post(PREDICT, json=BODY, headers={"X-API-Key": key})
        await secured.client.post("/login", data={"key": key})
        await secured.client.get("/nothing", headers={"X-API-Key": key})
    out, err = capfd.readouterr()
    assert key not in caplog.text + out + err
    assert "request" in caplog.text + out + err
    for file in tmp_path.iterdir():
        assert key.encode() not in file.read_bytes()


async def test_a_fault_inside_is_500_and_says_nothing_of_its_cause(
    open_gateway: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    from brain.parts import StatusBoard

    async def fail(_: StatusBoard) -> None:
        raise RuntimeError("password=hunter2")

    gateway = await open_gateway()
    monkeypatch.setattr(StatusBoard, "status", fail)
    with structlog.testing.capture_logs() as logged:
        answer = await gateway.client.get("/status")
    document = problem(answer, 500)
    assert "hunter2" not in answer.text and document["instance"] == answer.headers["x-request-id"]
    causes = [entry["exc_info"] for entry in logged if entry["event"] == "unhandled error"]
    assert [str(cause) for cause in causes] == ["password=hunter2"], "the log keeps the cause"


async def test_every_answer_carries_headers_that_keep_a_page_to_itself(open_gateway: Callable[..., Any]) -> None:
    gateway = await open_gateway()
    for path in ("/", "/status", "/nothing", "/static/console.js", "/docs"):
        headers = (await gateway.client.get(path)).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy and "unsafe" not in policy and "http" not in policy
        assert headers["x-content-type-options"] == "nosniff" and headers["x-frame-options"] == "DENY"


def test_sessions_end_after_the_stated_time() -> None:
    from brain.settings import BrainSettings

    assert timedelta(seconds=BrainSettings(_env_file=None).session_seconds) == timedelta(hours=12)
