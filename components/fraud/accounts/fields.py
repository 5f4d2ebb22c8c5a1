"""Fields of an Ethereum account, and the columns of the published table that they come from.

The table is Farrugia, Ellul and Azzopardi, "Detection of illicit accounts over the Ethereum blockchain" (2020). ERC-20
fields are missing where an account's token transfers were not found, and may be left out or null.
"""

import re
from collections.abc import Mapping

from components.fraud.raw_fields import RawField


def field_name(column: str) -> str:
    """The name of a published column in JSON: `ERC20 uniq sent addr.1` becomes `erc20_uniq_sent_addr_1`."""
    return re.sub(r"[^a-z0-9]+", "_", column.lower()).strip("_")


ADDRESS_COLUMN, FRAUD_COLUMN = "Address", "FLAG"

_ETHER: Mapping[str, tuple[str, str]] = {
    "Avg min between sent tnx": ("amount", "{value} minute{s} between sent transactions on average"),
    "Avg min between received tnx": ("amount", "{value} minute{s} between received transactions on average"),
    "Time Diff between first and last (Mins)": ("amount", "active for {value} minute{s}"),
    "Sent tnx": ("count", "{value} transaction{s} sent"),
    "Received Tnx": ("count", "{value} transaction{s} received"),
    "Number of Created Contracts": ("count", "{value} contract{s} created"),
    "Unique Received From Addresses": ("count", "received from {value} different address(es)"),
    "Unique Sent To Addresses": ("count", "sent to {value} different address(es)"),
    "min value received": ("amount", "received {value} ether at least at once"),
    "max value received": ("amount", "received {value} ether at most at once"),
    "avg val received": ("amount", "received {value} ether at once on average"),
    "min val sent": ("amount", "sent {value} ether at least at once"),
    "max val sent": ("amount", "sent {value} ether at most at once"),
    "avg val sent": ("amount", "sent {value} ether at once on average"),
    "min value sent to contract": ("amount", "sent {value} ether at least to a contract"),
    "max val sent to contract": ("amount", "sent {value} ether at most to a contract"),
    "avg value sent to contract": ("amount", "sent {value} ether to a contract on average"),
    "total transactions (including tnx to create contract": ("count", "{value} transaction{s} in all"),
    "total Ether sent": ("amount", "sent {value} ether in all"),
    "total ether received": ("amount", "received {value} ether in all"),
    "total ether sent contracts": ("amount", "sent {value} ether to contracts in all"),
    "total ether balance": ("signed", "balance of {value} ether"),
}

_TOKENS: Mapping[str, tuple[str, str]] = {
    "Total ERC20 tnxs": ("count", "{value} token transfer{s}"),
    "ERC20 total Ether received": ("amount", "received {value} tokens in all"),
    "ERC20 total ether sent": ("amount", "sent {value} tokens in all"),
    "ERC20 total Ether sent contract": ("amount", "sent {value} tokens to contracts in all"),
    "ERC20 uniq sent addr": ("count", "sent tokens to {value} different address(es)"),
    "ERC20 uniq rec addr": ("count", "received tokens from {value} different address(es)"),
    "ERC20 uniq sent addr.1": ("count", "sent tokens to {value} different contract(s)"),
    "ERC20 uniq rec contract addr": ("count", "received tokens from {value} different contract(s)"),
    "ERC20 min val rec": ("amount", "received {value} tokens at least at once"),
    "ERC20 max val rec": ("amount", "received {value} tokens at most at once"),
    "ERC20 avg val rec": ("amount", "received {value} tokens at once on average"),
    "ERC20 min val sent": ("amount", "sent {value} tokens at least at once"),
    "ERC20 max val sent": ("amount", "sent {value} tokens at most at once"),
    "ERC20 avg val sent": ("amount", "sent {value} tokens at once on average"),
    "ERC20 uniq sent token name": ("count", "{value} different token{s} sent"),
    "ERC20 uniq rec token name": ("count", "{value} different token{s} received"),
}

# Constant in every published row, or the name of a token, which is whatever its maker called it.
_UNUSED = (
    "ERC20 avg time between sent tnx",
    "ERC20 avg time between rec tnx",
    "ERC20 avg time between rec 2 tnx",
    "ERC20 avg time between contract tnx",
    "ERC20 min val sent contract",
    "ERC20 max val sent contract",
    "ERC20 avg val sent contract",
    "ERC20 most sent token type",
    "ERC20_most_rec_token_type",
)

COLUMNS: Mapping[str, str] = {field_name(column): column for column in (*_ETHER, *_TOKENS, *_UNUSED)}
"""Published column of every field."""

FIELDS: tuple[RawField, ...] = (
    *(RawField(field_name(column), words, kind) for column, (kind, words) in _ETHER.items()),  # type: ignore[arg-type]
    *(RawField(field_name(column), words, kind, required=False) for column, (kind, words) in _TOKENS.items()),  # type: ignore[arg-type]
    *(RawField(field_name(column), kind="unused") for column in _UNUSED),
)
