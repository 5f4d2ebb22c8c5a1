"""The production profile: registry on PostgreSQL, windows in Redis, rows loaded into BigQuery over its wire format."""

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from feature_repo import crypto, names
from feature_repo.definitions import offline_source
from feature_repo.offline import write_offline
from feature_repo.online import FeastWindowReader
from feature_repo.store import FeatureStoreConfigError, apply, open_store


class _BigQuery(BaseHTTPRequestHandler):
    """Grants tokens and accepts one kind of job: a resumable upload of a Parquet file."""

    jobs: list[dict] = []
    uploads: list[bytes] = []

    def log_message(self, *_: object) -> None: ...

    def _body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def _answer(self, content: dict, **headers: str) -> None:
        data = json.dumps(content).encode()
        self.send_response(200)
        for name, value in ({"Content-Type": "application/json", "Content-Length": str(len(data))} | headers).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def _done(self) -> dict:
        job = self.jobs[-1]
        return {**job, "status": {"state": "DONE"}, "statistics": {"load": {"outputRows": "1"}}}

    def do_POST(self) -> None:
        body = self._body()
        if self.path == "/token":
            self._answer({"access_token": "token", "expires_in": 3600, "token_type": "Bearer"})
            return
        assert self.path.startswith("/upload/bigquery/v2/projects/shop/jobs?uploadType=resumable")
        self.jobs.append(json.loads(body))
        self._answer({}, Location=f"http://{self.headers['Host']}/session")

    def do_PUT(self) -> None:
        self.uploads.append(self._body())
        self._answer(self._done())

    def do_GET(self) -> None:
        self._answer(self._done())


@pytest.fixture
def bigquery(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[type[_BigQuery]]:
    """A server on the loopback that the real client takes for BigQuery."""
    handler = type("Recording", (_BigQuery,), {"jobs": [], "uploads": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    address = f"http://127.0.0.1:{server.server_port}"
    key = rsa.generate_private_key(65537, 2048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    account = {"type": "service_account", "project_id": "shop", "private_key": key.decode(), "private_key_id": "1"}
    account |= {"client_email": "a@shop.example", "token_uri": f"{address}/token"}
    (tmp_path / "account.json").write_text(json.dumps(account))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "account.json"))
    monkeypatch.setenv("BIGQUERY_EMULATOR_HOST", address)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield handler
    server.shutdown()
    server.server_close()


def test_definitions_are_registered_and_windows_served_without_local_files(production: Path) -> None:
    store = open_store("production")
    apply(store)
    source = store.get_feature_view(names.rows_view()).batch_source
    assert source.table == f"shop.features.{names.rows_view()}"
    bars = np.arange(12.0).reshape(2, 6)
    pushed = pd.DataFrame(
        {
            "unique_id": ["a"],
            "as_of": pd.to_datetime(["2024-01-01T02:00Z"]).as_unit("us"),
            "window": [np.ones((2, 44), dtype="<f4").tobytes()],
            "candles": [bars.astype("<f8").tobytes()],
            "last_close": [10.0],
        }
    )
    store.write_to_online_store(names.window_view(), pushed)
    window, absent = FeastWindowReader(crypto.feature_digest(), "production").read(["a", "b"])
    assert absent is None
    assert window.window.shape == (2, 44)
    assert window.ds == datetime.fromtimestamp(6, tz=UTC)
    left = [path for path in production.rglob("*") if path.is_file()]
    assert left == []


def test_rows_replace_a_bigquery_table_in_one_truncating_load(production: Path, bigquery: type[_BigQuery]) -> None:
    rows = pa.table({"unique_id": ["a"], "as_of": pa.array([1], pa.timestamp("us", tz="UTC")), "close": [1.0]})
    write_offline(open_store("production"), names.rows_view(), rows)
    load = bigquery.jobs[0]["configuration"]["load"]
    assert load["destinationTable"] == {"projectId": "shop", "datasetId": "features", "tableId": names.rows_view()}
    assert (load["writeDisposition"], load["sourceFormat"]) == ("WRITE_TRUNCATE", "PARQUET")
    assert pq.read_table(pa.BufferReader(bigquery.uploads[0])).equals(rows)


@pytest.mark.filterwarnings("ignore:The spark data source API")
def test_rows_for_spark_are_an_object_that_its_source_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bucket = tmp_path / "bucket"
    monkeypatch.setenv("FEATURES_OFFLINE_LOCATION", bucket.as_uri())
    spark = SimpleNamespace(config=SimpleNamespace(offline_store=SimpleNamespace(type="spark")))
    rows = pa.table({"unique_id": ["a"], "as_of": pa.array([1], pa.timestamp("us", tz="UTC")), "close": [1.0]})
    write_offline(spark, names.rows_view(), rows)
    source = offline_source(spark.config, names.rows_view())
    assert source.path == f"{bucket.as_uri()}/{names.rows_view()}.parquet"
    assert pq.read_table(bucket / f"{names.rows_view()}.parquet").equals(rows)


@pytest.mark.skipif(find_spec("pyspark") is not None, reason="pyspark is installed")
def test_spark_without_its_package_says_what_to_install(production: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FEATURES_OFFLINE_STORE", "spark")
    with pytest.raises(FeatureStoreConfigError, match=r"feast\[spark\]"):
        apply(open_store("production"))


def test_an_offline_store_that_we_know_nothing_of_is_refused(production: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FEATURES_OFFLINE_STORE", "dask")
    with pytest.raises(FeatureStoreConfigError, match="dask"):
        apply(open_store("production"))
