import subprocess
import sys
from pathlib import Path

import pytest

from feature_repo import crypto, fraud, names
from feature_repo.online import CorruptWindowError, decode_window
from feature_repo.store import FeatureStoreConfigError, apply, open_store, profile_file


def test_the_profile_follows_argument_then_file_then_setting(
    state: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert profile_file().name == "feature_store.local.yaml"
    monkeypatch.setenv("FEAST_FS_YAML_FILE_PATH", str(tmp_path / "own.yaml"))
    assert profile_file() == tmp_path / "own.yaml"
    assert profile_file("production").name == "feature_store.production.yaml"


def test_an_unknown_profile_names_those_that_exist(state: Path) -> None:
    with pytest.raises(FeatureStoreConfigError, match="'staging'.*local.*production"):
        open_store("staging")


def test_production_names_the_variable_that_is_not_set(state: Path) -> None:
    with pytest.raises(FeatureStoreConfigError, match="FEATURES_REGISTRY_URL"):
        open_store("production")


def test_a_file_that_is_no_profile_is_refused(state: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FEAST_FS_YAML_FILE_PATH", str(tmp_path / "own.yaml"))
    with pytest.raises(FeatureStoreConfigError, match="cannot read"):
        open_store()
    (tmp_path / "own.yaml").write_text("- a list\n")
    with pytest.raises(FeatureStoreConfigError, match="no mapping"):
        open_store()
    (tmp_path / "own.yaml").write_text("provider: local\n")
    with pytest.raises(FeatureStoreConfigError, match="no valid"):
        open_store()


def test_everything_stays_in_the_state_folder_and_applying_twice_changes_nothing(state: Path) -> None:
    store = open_store()
    apply(store)
    apply(store)
    digest = crypto.feature_digest()
    card_digest = fraud.card_feature_digest()
    views = {names.rows_view(digest), names.window_view(digest)}
    states = {f"fraud_customer_state_{card_digest}", f"fraud_terminal_state_{card_digest}"}
    assert {view.name for view in store.list_feature_views()} == views | states
    services = {service.name for service in store.list_feature_services()}
    crypto_services = {f"crypto_training_1h_{digest}", f"crypto_serving_1h_{digest}"}
    assert services == crypto_services | {f"fraud_card_states_{card_digest}"}
    entities = {(entity.name, entity.join_key) for entity in store.list_entities() if entity.name != "__dummy"}
    assert entities == {("series", "unique_id"), ("customer", "customer_id"), ("terminal", "terminal_id")}
    assert sorted(path.name for path in (state / "feast").iterdir()) == ["offline", "online.db", "registry.db"]


def test_definitions_of_another_digest_stay_registered(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    older = crypto.feature_digest()
    apply(open_store())
    monkeypatch.setattr(crypto, "DEFINITION_VERSION", crypto.DEFINITION_VERSION + 1)
    apply(open_store())
    services = {service.name for service in open_store().list_feature_services()}
    assert {names.serving_service(older), names.serving_service()} <= services
    assert older != crypto.feature_digest()


@pytest.mark.parametrize(("window", "candles"), [(b"", b"\0" * 48), (b"\0" * 12, b""), (b"\0" * 12, b"\0" * 96)])
def test_bytes_that_are_no_window_are_refused(window: bytes, candles: bytes) -> None:
    with pytest.raises(CorruptWindowError, match=f"{len(candles)} and {len(window)} bytes"):
        decode_window("a", window, candles, 1.0)


def test_names_store_and_look_up_load_without_feast_or_pandas() -> None:
    code = (
        "import sys, feature_repo.online, feature_repo.store, feature_repo.names, feature_repo.offline, "
        "feature_repo.writer_lock, feature_repo.fraud_online, "
        "components.crypto.materialise, components.crypto.training_set\n"
        "print({'feast', 'pandas', 'pyarrow', 'talib', 'sqlalchemy'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_a_reader_imports_no_offline_store(state: Path) -> None:
    apply(open_store())
    code = (
        "import sys\n"
        "from feature_repo.crypto import feature_digest\n"
        "from feature_repo.online import FeastWindowReader\n"
        "assert FeastWindowReader(feature_digest()).read(['a']) == [None]\n"
        "print({'duckdb', 'ibis', 'dask', 'google.cloud.bigquery', 'pyspark'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, "set()"), done.stderr
