"""A contract of ours on the bare EVM: called by name, at any time, by anybody."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from bare_evm import BareEvm, Log, RevertedError
from eth_abi import decode, encode
from eth_utils.abi import collapse_if_tuple, function_abi_to_4byte_selector
from evm import ARTIFACTS, RefusedError, artifact, decode_error, errors_of

TOKENS = Path(__file__).parent / "vectors" / "tokens"


@cache
def every_error() -> dict[bytes, dict[str, Any]]:
    """Return the errors of all our contracts, and of the tokens that they meet in tests: theirs are let through."""
    shipped = (artifact(path.stem)["abi"] for path in sorted(ARTIFACTS.glob("[A-Z]*.json")))
    tokens = (json.loads(path.read_text("utf-8"))["abi"] for path in sorted(TOKENS.glob("*.json")))
    return errors_of(entry for abi in (*shipped, *tokens) for entry in abi)


class BareContract:
    """A deployed contract."""

    def __init__(self, evm: BareEvm, name: str, *arguments: Any, shipped: dict[str, Any] | None = None) -> None:
        """Deploy what the package ships under this name, or what ``shipped`` is."""
        shipped = shipped or artifact(name)
        self._evm = evm
        abi = shipped["abi"]
        self._errors = errors_of(abi)
        self._functions = {entry["name"]: entry for entry in abi if entry["type"] == "function"}
        self._selectors = {name: function_abi_to_4byte_selector(entry) for name, entry in self._functions.items()}
        [types] = [self._types(entry["inputs"]) for entry in abi if entry["type"] == "constructor"] or [[]]
        self.address = evm.deploy(bytes.fromhex(shipped["bytecode"][2:]) + encode(types, arguments))

    def do(self, sender: str, time: int, name: str, *arguments: Any, value: int = 0) -> tuple[Log, ...]:
        """Call and keep what it does; raises ``RefusedError``."""
        try:
            return self._evm.transact(bytes.fromhex(sender[2:]), self.address, self.data(name, *arguments), time, value)
        except RevertedError as error:
            raise self._refused(error) from None

    def ask(self, time: int, name: str, *arguments: Any) -> Any:
        """Call and forget what it did; raises ``RefusedError``."""
        try:
            answer = self._evm.call(b"\xdd" * 20, self.address, self.data(name, *arguments), time)
        except RevertedError as error:
            raise self._refused(error) from None
        values = decode(self._types(self._functions[name]["outputs"]), answer)
        return values[0] if len(values) == 1 else values

    def data(self, name: str, *arguments: Any) -> bytes:
        """Return the calldata of a call."""
        return self._selectors[name] + encode(self._types(self._functions[name]["inputs"]), arguments)

    def _refused(self, error: RevertedError) -> RefusedError:
        # A contract that calls another lets its errors through.
        return decode_error(error.data, self._errors | every_error())

    @staticmethod
    def _types(items: list[dict[str, Any]]) -> list[str]:
        return [collapse_if_tuple(item) for item in items]
