"""Contract wallets on a chain, and the domains of a deployment.

given an address without code
└── it should have signed nothing, and not be called
given a contract wallet
├── it should be asked as ERC-1271 says, and only its whole yes be one
└── one that reverts, or answers anything else, should have signed nothing
given a node that fails
└── that should be told apart from a no
given a deployment
└── each contract that takes signatures should have its domain, and no other
"""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest
from eth_abi import encode
from scripted_node import ScriptedNode

from medshare.chain.client import ChainClient
from medshare.chain.networks import load_network
from medshare.chain.signing import ChainWallets, domains_of
from medshare.chain.wire import NodeError
from medshare.errors import LedgerUnavailableError
from medshare.hashing import keccak256
from medshare.model.eip712 import Domain
from medshare.model.ids import address
from medshare.model.typed_data import SIGNABLES

pytestmark = pytest.mark.unit

WALLET = address("0x5FbDB2315678afecb367f032d93F642f64180aa3")
DIGEST = b"\xd1" * 32
YES = "0x1626ba7e" + "00" * 28


class NodeWithWallet(ScriptedNode):
    def __init__(self) -> None:
        super().__init__()
        self.code = "0x60"
        self.answer = YES
        self.calls: list[dict[str, str]] = []

    def eth_getCode(self, account: str, _tag: str) -> str:  # noqa: N802 - JSON-RPC's name
        assert account == WALLET
        return self.code

    def eth_call(self, call: dict[str, str], *_: object) -> str:
        self.calls.append(call)
        return self.answer


@pytest.fixture
def node() -> NodeWithWallet:
    return NodeWithWallet()


@pytest.fixture
def wallets(node) -> ChainWallets:
    return ChainWallets(ChainClient(replace(load_network("anvil")), node, sleep=lambda _: None))


@pytest.mark.parametrize("size", [0, 1, 31, 32, 33, 65, 130])
def test_accepts__contract_wallet_that_says_yes__was_asked_as_erc_1271_says(size, wallets, node) -> None:
    signature = bytes(range(1, 66))[:size].ljust(size, b"\7")

    assert wallets.accepts(WALLET, DIGEST, signature)

    (call,) = node.calls
    wanted = keccak256(b"isValidSignature(bytes32,bytes)")[:4] + encode(["bytes32", "bytes"], [DIGEST, signature])
    assert (call["to"], call["data"]) == (WALLET, "0x" + wanted.hex())


def test_accepts__no_contract_there__is_not_called(wallets, node) -> None:
    node.code = "0x"

    assert not wallets.accepts(WALLET, DIGEST, b"\1")
    assert node.calls == []


@pytest.mark.parametrize(
    "answer", ["0x", "0x1626ba7e", YES + "00", "0x" + "00" * 32, "0x" + "00" * 28 + "1626ba7e", YES[:-2] + "01"]
)
def test_accepts__anything_but_the_whole_yes__is_a_no(answer, wallets, node) -> None:
    node.answer = answer

    assert not wallets.accepts(WALLET, DIGEST, b"\1")


@pytest.mark.parametrize(
    "fault",
    [
        {"code": 3, "message": "execution reverted", "data": "0x"},
        {"code": 3, "message": "execution reverted", "data": YES},
        {"code": -32000, "message": "out of gas"},
    ],
)
def test_accepts__wallet_that_reverts__is_a_no(fault, wallets, node) -> None:
    node.fail("eth_call", fault)

    assert not wallets.accepts(WALLET, DIGEST, b"\1")


@pytest.mark.parametrize("method", ["eth_call", "eth_getCode"])
def test_accepts__node_fails__is_no_answer(method, wallets, node) -> None:
    node.fail(method, {"code": -32005, "message": "daily limit reached"})

    with pytest.raises(LedgerUnavailableError) as caught:
        wallets.accepts(WALLET, DIGEST, b"\1")
    assert isinstance(caught.value, NodeError)


def test_domains_of__deployment__are_those_that_take_signatures() -> None:
    places = {
        name: address(f"0x{number:040x}")
        for number, name in enumerate(
            ("Consortium", "RecordRegistry", "ConsentRegistry", "EmergencyAccess", "AccessRequests"), 1
        )
    }
    contracts = [SimpleNamespace(name=name, address=place) for name, place in places.items()]

    domains = domains_of(SimpleNamespace(chain_id=7, contracts=contracts))

    assert set(domains) == {kind.contract for kind in SIGNABLES.values()}
    assert all(domain == Domain.of(name, 7, places[name]) for name, domain in domains.items())
