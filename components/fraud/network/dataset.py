"""NSL-KDD from a folder to table `flows`."""

from pathlib import Path

from components.fraud.detectors import DETECTORS
from components.fraud.encoded_table import TableError, TableReport, check_columns, write_encoded
from components.fraud.encoding import encode_columns
from components.fraud.network.fields import CLASS_OF_ATTACK, FIELDS

PARTS = {"train": "kdd_train_plus.parquet", "test": "kdd_test_plus.parquet"}
LABEL = "label"


def write_flows(folder: Path, output: Path) -> TableReport:
    """Read both published parts and write table `flows`.

    Rows whose 41 fields are the same are one group. An attack that is in no published list is refused rather than
    guessed at; `difficulty` is not read.

    Args:
        folder: Holds `kdd_train_plus.parquet` and `kdd_test_plus.parquet`: 41 fields by name, and `label`.
        output: Parquet; replaced if it exists.

    Raises:
        TableError: A file or a column is missing, or an attack is unknown.
    """
    import pandas as pd

    names = [field.name for field in FIELDS]
    parts = []
    for part, file in PARTS.items():
        if not (folder / file).is_file():
            raise TableError(f"{folder} lacks {file}; it should hold {', '.join(PARTS.values())}")
        frame = pd.read_parquet(folder / file)
        check_columns(folder / file, frame, [*names, LABEL])
        parts.append(frame[[*names, LABEL]].assign(part=part, row_id=[f"{part}-{row}" for row in range(len(frame))]))
    flows = pd.concat(parts, ignore_index=True)
    attack_class = flows[LABEL].map(CLASS_OF_ATTACK)
    if attack_class.isna().any():
        unknown = sorted(flows[LABEL][attack_class.isna()].unique())
        raise TableError(f"{folder} holds attacks of no known class: {', '.join(unknown)}; add them to CLASS_OF_ATTACK")
    detector = DETECTORS["network"]
    keys = {
        "row_id": flows["row_id"],
        "group": pd.util.hash_pandas_object(flows[names], index=False).map("{:016x}".format),
        "attack": flows[LABEL],
        "attack_class": attack_class,
        "part": flows["part"],
    }
    features = encode_columns(detector.fields, {name: flows[name].to_numpy() for name in names})
    return write_encoded(detector, keys, features, attack_class != "normal", output)
