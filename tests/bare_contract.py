"""A contract of ours on the bare EVM: called by name, at any time, by anybody."""

from __future__ import annotations

from typing import Any

from bare_evm import BareEvm, Log, RevertedError
from eth_abi import decode, encode
from eth_utils.abi import collapse_if_tuple
from evm import RefusedError, artifact, decode_error


class BareContract:
    """A deployed contract."""

    def __init__(self, evm: BareEvm, name: str, *arguments: Any) -> None:
        shipped = artifact(name)
        self._evm = evm
        self._abi = shipped["abi"]
        self._functions = {entry["name"]: entry for entry in self._abi if entry["type"] == "function"}
        self._selectors = {
            signature.partition("(")[0]: bytes.fromhex(selector)
            for signature, selector in shipped["methodIdentifiers"].items()
        }
        [types] = [self._types(entry["inputs"]) for entry in self._abi if entry["type"] == "constructor"] or [[]]
        self.address = evm.deploy(bytes.fromhex(shipped["bytecode"][2:]) + encode(types, arguments))

    def do(self, sender: str, time: int, name: str, *arguments: Any) -> tuple[Log, ...]:
        """Call and keep what it does; raises ``RefusedError``."""
        try:
            return self._evm.transact(bytes.fromhex(sender[2:]), self.address, self._data(name, arguments), time)
        except RevertedError as error:
            raise self._refused(error) from None

    def ask(self, time: int, name: str, *arguments: Any) -> Any:
        """Call and forget what it did; raises ``RefusedError``."""
        try:
            answer = self._evm.call(b"\xdd" * 20, self.address, self._data(name, arguments), time)
        except RevertedError as error:
            raise self._refused(error) from None
        values = decode(self._types(self._functions[name]["outputs"]), answer)
        return values[0] if len(values) == 1 else values

    def _data(self, name: str, arguments: tuple[Any, ...]) -> bytes:
        return self._selectors[name] + encode(self._types(self._functions[name]["inputs"]), arguments)

    def _refused(self, error: RevertedError) -> RefusedError:
        return decode_error(error.data, self._abi)

    @staticmethod
    def _types(items: list[dict[str, Any]]) -> list[str]:
        return [collapse_if_tuple(item) for item in items]
