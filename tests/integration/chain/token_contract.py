"""A token as it should be (ERC-20), which anybody can have; compiled when a test needs it."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import compile_contracts
from nodes import require

from medshare.chain import LocalSigner, OpenChain
from medshare.chain.codec import address_word, word
from medshare.hashing import keccak256
from medshare.model.ids import Address

_SOURCE = Path(__file__).parents[2] / "contracts" / "solidity" / "Token__Mock.sol"
_MINT = keccak256(b"mint(address,uint256)")[:4]


@cache
def _creation_code() -> bytes:
    unit = f"tests/contracts/solidity/{_SOURCE.name}"
    everything = compile_contracts.read_sources({unit: _SOURCE.read_text("utf-8")})
    needed = {name: text for name, text in everything["sources"].items() if name == unit or name.startswith("@")}
    output = compile_contracts.compile_sources(everything | {"sources": needed}, require("solc"))
    return bytes.fromhex(output["contracts"][unit]["Token__Mock"]["evm"]["bytecode"]["object"])


def deploy_token(chain: OpenChain, payer: LocalSigner) -> Address:
    """Deploy a token; return its address."""
    return chain.sender.deploy(payer, _creation_code()).address


def mint(chain: OpenChain, payer: LocalSigner, token: Address, account: Address, amount: int) -> None:
    """Let an account have so much more of the token."""
    chain.sender.send(payer, to=token, data=_MINT + address_word(account) + word(amount))
