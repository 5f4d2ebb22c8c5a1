"""What a detector is: its registered model, the raw fields of its records, their encoding, and words for its reasons.

Light: the gateway imports this, so numpy comes in only where something is encoded.
"""

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from components.fraud.accounts.fields import FIELDS as ACCOUNT_FIELDS
from components.fraud.cards_words import CARD_RECORD, say_card_feature, say_missing_past
from components.fraud.network.fields import FIELDS as NETWORK_FIELDS
from components.fraud.raw_fields import FieldError, FieldProblem, RawField, check_record
from feature_repo.fraud import CARD_FEATURE_NAMES, LABEL_DELAY_SECONDS, card_feature_digest

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

TRAIN_COMMAND = "python -m pipelines run fraud-detection --target local"
"""Trains the card detector on simulated transactions."""

ENCODING_VERSION = 1
"""Raised when the encoding of a field changes under an unchanged name."""


@dataclass(frozen=True)
class Reason:
    """Why a score is what it is: a field, its value in words, and what it adds to the score."""

    feature: str
    text: str
    value: float | None
    contribution: float


@dataclass(frozen=True)
class Detector:
    """One kind of fraud and how its records become features.

    Attributes:
        name: `card`, `network` or `crypto`.
        table: Name of the table it is trained on.
        fields: Raw fields of a record.
        label_delay_seconds: How long after an event its label is known.
    """

    name: str
    table: str
    fields: tuple[RawField, ...]
    label_delay_seconds: int = 0

    @property
    def model(self) -> str:
        """Name of the registered model."""
        return f"fraud-{self.name}"

    @cached_property
    def feature_names(self) -> tuple[str, ...]:
        """Columns of the model's input, in order."""
        return tuple(feature for field in self.fields for feature in field.features)

    @property
    def feature_digest(self) -> str:
        """Twelve hex digits that change whenever a field's name, kind, categories or order does."""
        content = {"version": ENCODING_VERSION, "fields": [{**asdict(field), "words": ""} for field in self.fields]}
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:12]

    def check(self, raw: Mapping[str, object]) -> tuple[FieldProblem, ...]:
        """Everything that is wrong with a record: unknown, missing, negative or infinite; empty where nothing is."""
        return check_record(self.fields, raw)

    def encode(self, rows: Sequence[Mapping[str, object]]) -> "npt.NDArray[np.float32]":
        """Features [N, F] of records that passed `check`; used for training and for serving alike."""
        from components.fraud.encoding import encode_records

        return encode_records(self.fields, rows)

    def field_of(self, feature: str) -> str:
        """The field that a feature encodes: `service` of `service=http`, every other feature itself.

        Raises:
            FieldError: There is no such feature.
        """
        return self._field(feature).name

    @property
    def train_command(self) -> str:
        """What makes a first champion from a set that is not shipped."""
        return f"{TRAIN_COMMAND} --param detector={self.name} --param data=PATH"

    def words(self, feature: str, value: float | None) -> str:
        """A feature's value in plain English, such as `3 failed logins`; None and NaN are missing.

        Raises:
            FieldError: There is no such feature.
        """
        return self._field(feature).say(feature, math.nan if value is None else float(value))

    def reasons(
        self,
        features: Sequence[str],
        values: Sequence[float | None],
        contributions: Sequence[float],
        limit: int = 5,
    ) -> list[Reason]:
        """The fields that moved one row's score most, largest first.

        Contributions of the columns of one category are summed to their field, which is said with the category that the
        row has; a field that changed nothing is left out.

        Args:
            features: Names of the F columns.
            values: The row, [F].
            contributions: What each column adds to the score, [F].
            limit: At most so many.
        """
        totals: dict[str, float] = {}
        spoken: dict[str, tuple[str, float | None]] = {}
        for feature, value, contribution in zip(features, values, contributions, strict=True):
            field = self.field_of(feature)
            totals[field] = totals.get(field, 0.0) + float(contribution)
            if field not in spoken or value == 1:
                spoken[field] = (feature, value)
        largest = sorted(totals, key=lambda field: -abs(totals[field]))[:limit]
        return [
            Reason(field, self.words(*spoken[field]), _finite(spoken[field][1]), totals[field])
            for field in largest
            if totals[field] != 0.0
        ]

    @cached_property
    def _by_feature(self) -> Mapping[str, RawField]:
        return {feature: field for field in self.fields for feature in field.features}

    def _field(self, feature: str) -> RawField:
        try:
            return self._by_feature[feature]
        except KeyError:
            raise FieldError(f"detector {self.name!r} has no feature {feature!r}") from None


class CardDetector(Detector):
    """Cards: features come from the states of customer and terminal, so that a record alone encodes to nothing."""

    @cached_property
    def feature_names(self) -> tuple[str, ...]:
        """Columns of the model's input, in order."""
        return CARD_FEATURE_NAMES

    @property
    def train_command(self) -> str:
        """What makes a first champion; there is a simulator, so that no data is needed."""
        return TRAIN_COMMAND

    @property
    def feature_digest(self) -> str:
        """The digest of the card features' definitions."""
        return card_feature_digest()

    def encode(self, rows: Sequence[Mapping[str, object]]) -> "npt.NDArray[np.float32]":
        """Cards have no encoding of a record alone.

        Raises:
            FieldError: Always.
        """
        raise FieldError(
            f"{len(rows)} card transactions cannot be encoded without the states of their customers and terminals; use "
            "components.fraud.cards.state.card_features"
        )

    def field_of(self, feature: str) -> str:
        """The feature itself."""
        return feature

    def words(self, feature: str, value: float | None) -> str:
        """A feature's value in plain English, such as `3 transactions within 10 minutes`."""
        return say_card_feature(feature, math.nan if value is None else float(value))

    def reasons(
        self,
        features: Sequence[str],
        values: Sequence[float | None],
        contributions: Sequence[float],
        limit: int = 5,
    ) -> list[Reason]:
        """As every detector's; a comparison with a past that is not there says that instead of a number."""
        row = dict(zip(features, values, strict=True))
        found = super().reasons(features, values, contributions, limit)
        return [replace(one, text=say_missing_past(one.feature, row) or one.text) for one in found]


DETECTORS: Mapping[str, Detector] = {
    "card": CardDetector("card", "transactions", CARD_RECORD, LABEL_DELAY_SECONDS),
    "network": Detector("network", "flows", NETWORK_FIELDS),
    "crypto": Detector("crypto", "accounts", ACCOUNT_FIELDS),
}
"""Every detector by name."""


def _finite(value: float | None) -> float | None:
    return None if value is None or math.isnan(value) else float(value)
