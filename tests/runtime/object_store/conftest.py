import logging
import threading
import uuid
from collections.abc import Callable, Iterator

import pytest

_CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_REGION": "us-east-1",
    "AWS_DEFAULT_REGION": "us-east-1",
}
_SIGNATURE = "AWS4-HMAC-SHA256 Credential=test/20200101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0"


@pytest.fixture(scope="session")
def remote_endpoint() -> Iterator[str]:
    """A server that speaks the wire format of S3 and of Google's XML API, which is S3's with other header names."""
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
    from werkzeug.serving import make_server

    s3 = DomainDispatcherApplication(create_backend_app)

    def either(environ: dict[str, object], start_response: Callable[..., object]) -> object:
        if "AWS4" not in str(environ.get("HTTP_AUTHORIZATION", "")):
            environ["HTTP_AUTHORIZATION"] = _SIGNATURE
            environ["HTTP_HOST"] = "s3.amazonaws.com"
        if environ.get("HTTP_X_GOOG_IF_GENERATION_MATCH") == "0":
            environ["HTTP_IF_NONE_MATCH"] = "*"
        return s3(environ, start_response)

    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    server = make_server("127.0.0.1", 0, either, threaded=True, request_handler=MotoRequestHandler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()


@pytest.fixture
def bucket(remote_endpoint: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Name of a fresh bucket, with the environment pointing at its server."""
    import boto3

    for name, value in (_CREDENTIALS | {"AWS_ENDPOINT_URL": remote_endpoint}).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", remote_endpoint)
    name = f"bucket{uuid.uuid4().hex[:8]}"
    boto3.client("s3").create_bucket(Bucket=name)
    return name
