import time

from prometheus_client import CollectorRegistry, Histogram

from runtime.metrics import HttpMetrics, build_info, exposition, timed


def test_requests_are_counted_by_route_and_status() -> None:
    registry = CollectorRegistry()
    metrics = HttpMetrics("gateway", registry)
    for status in (200, 200, 404):
        metrics.observe(method="GET", route="/runs/{id}", status=status, seconds=0.02)
    with metrics.in_flight():
        during = registry.get_sample_value("aio_http_requests_in_flight", {"service": "gateway"})
    labels = {"service": "gateway", "method": "GET", "route": "/runs/{id}"}
    assert registry.get_sample_value("aio_http_requests_total", labels | {"status": "200"}) == 2
    assert registry.get_sample_value("aio_http_request_seconds_bucket", labels | {"le": "0.025"}) == 3
    assert registry.get_sample_value("aio_http_request_seconds_bucket", labels | {"le": "0.01"}) == 0
    assert (during, registry.get_sample_value("aio_http_requests_in_flight", {"service": "gateway"})) == (1, 0)


def test_the_page_is_what_prometheus_reads() -> None:
    registry = CollectorRegistry()
    build_info("gateway", version="0.1.0", revision="abc", registry=registry)
    body, content_type = exposition(registry)
    assert b'aio_build_info{revision="abc",service="gateway",version="0.1.0"} 1.0' in body
    assert content_type.startswith("text/plain")


def test_a_block_is_timed_also_when_it_raises() -> None:
    registry = CollectorRegistry()
    histogram = Histogram("x_seconds", "X.", registry=registry)
    try:
        with timed(histogram):
            time.sleep(0.01)
            raise ValueError
    except ValueError:
        pass
    assert registry.get_sample_value("x_seconds_count") == 1
    assert (registry.get_sample_value("x_seconds_sum") or 0) >= 0.01
