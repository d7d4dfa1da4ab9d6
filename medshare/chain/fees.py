"""What a transaction offers to pay."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from medshare.chain.client import ChainClient
from medshare.chain.codec import hex_int
from medshare.chain.networks import GWEI, FeeMode
from medshare.chain.wire import NodeError
from medshare.errors import ConfigurationError

_DEFAULT_TIP = GWEI
_UINT256 = (1 << 256) - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Fees:
    """The fee fields of a transaction."""

    fields: Mapping[str, int]
    most: int
    """Most wei for one unit of gas that they can cost."""


def quote_fees(client: ChainClient) -> Fees:
    """Return what to offer now, by the network's policy.

    Raises:
        ConfigurationError: gas costs more than ``max_fee_gwei`` allows, or the policy does not fit the chain.
        LedgerUnavailableError: the node does not say.
    """
    mode = client.profile.fees
    if mode is FeeMode.ZERO:
        return Fees(fields={"gasPrice": 0}, most=0)
    base_fee = None if mode is FeeMode.LEGACY else client.base_fee()
    if base_fee is None:
        if mode is FeeMode.EIP1559:
            raise ConfigurationError(f"network {client.profile.name!r} has no base fee", hint='set fees = "legacy"')
        price = hex_int(client.request("eth_gasPrice"), _UINT256)
        _check_cap(client, price)
        return Fees(fields={"gasPrice": price}, most=price)
    tip = _tip(client)
    _check_cap(client, base_fee + tip)
    # Twice the base fee stays enough for six full blocks in a row; what is not needed is not paid.
    most = 2 * base_fee + tip
    cap = cap_of(client)
    most = most if cap is None else min(most, cap)
    return Fees(fields={"maxFeePerGas": most, "maxPriorityFeePerGas": min(tip, most)}, most=most)


def _tip(client: ChainClient) -> int:
    wanted = client.profile.priority_fee_gwei
    if wanted is not None:
        return round(wanted * GWEI)
    try:
        return hex_int(client.request("eth_maxPriorityFeePerGas"), _UINT256)
    except NodeError:
        return _DEFAULT_TIP


def cap_of(client: ChainClient) -> int | None:
    """Return the most wei for one unit of gas that the network's profile allows; None where it sets no limit."""
    cap = client.profile.max_fee_gwei
    return None if cap is None else round(cap * GWEI)


def _check_cap(client: ChainClient, price: int) -> None:
    cap = cap_of(client)
    if cap is not None and price > cap:
        raise ConfigurationError(
            f"gas costs {price / GWEI:g} gwei now, network {client.profile.name!r} allows {cap / GWEI:g}",
            hint="wait until it is cheaper, or raise max_fee_gwei",
        )
