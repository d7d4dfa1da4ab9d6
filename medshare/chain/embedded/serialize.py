"""py-evm's objects as JSON-RPC spells them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import rlp
from eth_utils.address import to_checksum_address

from medshare.chain.embedded.database import Json, MinedBlock
from medshare.hashing import keccak256

Evm: TypeAlias = Any
"""An object of py-evm, which ships no types."""


def mined_block(header: Evm, transactions: Sequence[Any], receipts: Sequence[Any]) -> MinedBlock:
    """Return a block with its transactions and receipts.

    Args:
        header: the block's final header.
        transactions: signed transactions in their order.
        receipts: one for each transaction.
    """
    rows = []
    gas_before = log_index = 0
    for index, (transaction, receipt) in enumerate(zip(transactions, receipts, strict=True)):
        place = {
            "blockHash": _hex(header.hash),
            "blockNumber": hex(header.block_number),
            "transactionHash": _hex(transaction.hash),
            "transactionIndex": hex(index),
        }
        body = _transaction(transaction) | place | {"hash": _hex(transaction.hash)}
        rows.append((transaction.hash, body, _receipt(header, transaction, receipt, place, gas_before, log_index)))
        gas_before = receipt.gas_used
        log_index += len(receipt.logs)
    return MinedBlock(
        number=header.block_number,
        hash=header.hash,
        body=_block(header) | {"transactions": [_hex(transaction.hash) for transaction in transactions]},
        transactions=rows,
    )


def _block(header: Evm) -> Json:
    return {
        "number": hex(header.block_number),
        "hash": _hex(header.hash),
        "parentHash": _hex(header.parent_hash),
        "timestamp": hex(header.timestamp),
        "miner": to_checksum_address(header.coinbase),
        "stateRoot": _hex(header.state_root),
        "transactionsRoot": _hex(header.transaction_root),
        "receiptsRoot": _hex(header.receipt_root),
        "logsBloom": "0x" + header.bloom.to_bytes(256, "big").hex(),
        "gasLimit": hex(header.gas_limit),
        "gasUsed": hex(header.gas_used),
        "baseFeePerGas": hex(header.base_fee_per_gas),
        "extraData": _hex(header.extra_data),
        "difficulty": hex(header.difficulty),
        "mixHash": _hex(header.mix_hash),
        "nonce": _hex(header.nonce),
        "size": hex(len(rlp.encode(header))),
        "sha3Uncles": _hex(header.uncles_hash),
        "uncles": [],
    }


def _transaction(transaction: Evm) -> Json:
    kind = getattr(transaction, "type_id", None)
    fields = {
        "type": hex(kind or 0),
        "from": to_checksum_address(transaction.sender),
        "to": to_checksum_address(transaction.to) if transaction.to else None,
        "nonce": hex(transaction.nonce),
        "gas": hex(transaction.gas),
        "value": hex(transaction.value),
        "input": _hex(transaction.data),
    }
    if kind is not None and kind >= 2:
        fields["maxFeePerGas"] = hex(transaction.max_fee_per_gas)
        fields["maxPriorityFeePerGas"] = hex(transaction.max_priority_fee_per_gas)
    else:
        fields["gasPrice"] = hex(transaction.gas_price)
    return fields


def _receipt(header: Evm, transaction: Evm, receipt: Evm, place: Json, gas_before: int, first_log: int) -> Json:
    created = None
    if not transaction.to:
        created = to_checksum_address(keccak256(rlp.encode([transaction.sender, transaction.nonce]))[-20:])
    base_fee = header.base_fee_per_gas
    tip = min(transaction.max_priority_fee_per_gas, transaction.max_fee_per_gas - base_fee)
    return {
        **place,
        "type": hex(getattr(transaction, "type_id", None) or 0),
        "status": hex(int.from_bytes(receipt.state_root, "big")),
        "from": to_checksum_address(transaction.sender),
        "to": to_checksum_address(transaction.to) if transaction.to else None,
        "contractAddress": created,
        "gasUsed": hex(receipt.gas_used - gas_before),
        "cumulativeGasUsed": hex(receipt.gas_used),
        "effectiveGasPrice": hex(base_fee + tip),
        "logsBloom": "0x" + receipt.bloom.to_bytes(256, "big").hex(),
        "logs": [
            {
                **place,
                "address": to_checksum_address(log.address),
                "topics": ["0x" + topic.to_bytes(32, "big").hex() for topic in log.topics],
                "data": _hex(log.data),
                "logIndex": hex(first_log + position),
                "blockTimestamp": hex(header.timestamp),
                "removed": False,
            }
            for position, log in enumerate(receipt.logs)
        ],
    }


def _hex(data: bytes) -> str:
    return "0x" + data.hex()
