"""A transaction that waits too long is signed once more, with the same nonce and a higher fee: one of the two is mined.

Nodes take a replacement where both fees are a tenth higher (some ask for an eighth). What it does stays the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import rlp
from eth_utils.address import to_checksum_address

from medshare.chain.client import ChainClient
from medshare.chain.fees import cap_of, quote_fees
from medshare.chain.networks import FeeMode
from medshare.errors import ConfigurationError

_DYNAMIC_FEE = 2
_RISE_PERMILLE = 1_125


def outbid(client: ChainClient, raw: bytes) -> Mapping[str, Any] | None:
    """Return the fields of a transaction that takes the place of ``raw``, ready to be signed.

    None where the network takes no fees, or where the higher one would pass ``max_fee_gwei``: then it is for waiting.

    Args:
        client: the chain.
        raw: the signed transaction that waits, as this package made it.

    Raises:
        LedgerUnavailableError: the node does not say what gas costs.
    """
    if client.profile.fees is FeeMode.ZERO:
        return None
    try:
        now = quote_fees(client)
    except ConfigurationError:
        return None
    fields = _fields(raw)
    # A legacy price is both: the most that it can cost, and the tip.
    names = [name for name in ("gasPrice", "maxFeePerGas", "maxPriorityFeePerGas") if name in fields]
    fields |= {name: max(-(-fields[name] * _RISE_PERMILLE // 1000), now.fields.get(name, 0)) for name in names}
    cap = cap_of(client)
    if cap is not None and fields[names[0]] > cap:
        return None
    return fields | {"chainId": client.chain_id}


def most_wei(fields: Mapping[str, Any]) -> int:
    """Return the most that a transaction with these fields can cost, what it transfers included."""
    price: int = fields.get("gasPrice", fields.get("maxFeePerGas", 0))
    return price * int(fields["gas"]) + int(fields["value"])


def _fields(raw: bytes) -> dict[str, Any]:
    if raw[0] == _DYNAMIC_FEE:
        _, nonce, tip, most, gas, to, value, data, *_ = rlp.decode(raw[1:])
        fees = {"maxFeePerGas": _number(most), "maxPriorityFeePerGas": _number(tip)}
    else:
        nonce, price, gas, to, value, data, *_ = rlp.decode(raw)
        fees = {"gasPrice": _number(price)}
    fields = {"nonce": _number(nonce), "gas": _number(gas), "value": _number(value), "data": data, **fees}
    return fields | {"to": to_checksum_address(to)} if to else fields


def _number(field: bytes) -> int:
    return int.from_bytes(field, "big")
