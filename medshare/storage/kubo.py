"""A Kubo node as a store that is not trusted: blocks go in as CAR archives and come out one by one, verified."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from medshare.content import MAX_BLOCK_SIZE, Block, Cid, encode_car, in_batches, verify_block
from medshare.errors import (
    BlobMismatchError,
    BlobNotFoundError,
    BlobTooLargeError,
    InvalidInputError,
    StoreUnavailableError,
)
from medshare.ports import Collected
from medshare.storage.credentials import BasicAuth, BearerAuth
from medshare.storage.kubo_rpc import KuboRpc, NotPinnedError, json_object, raise_node_error
from medshare.storage.repeating import RefusedError, repeated

TIMEOUT_SECONDS: Final = 30.0
SLOW_TIMEOUT_SECONDS: Final = 600.0
_MAX_SMALL_ANSWER: Final = 64 * 1024
_NAMED_AT_ONCE: Final = 256  # CIDs in one URL
_LOCAL_ONLY: Final = {"offline": "true"}

_log = logging.getLogger(__name__)


class KuboBlobStore:
    """A ``BlobStore`` on a Kubo node (0.11 or later), over its RPC.

    ``get`` and ``pin`` may fetch from other nodes, unless it is ``alone``; ``has`` asks this one only. Close it, or use
    it in a ``with``.

    Args:
        address: a multiaddr, such as ``/ip4/127.0.0.1/tcp/5001/http``. The RPC is full control of the node: let it
            listen on the loopback, or behind TLS and credentials.
        auth: credentials, if the node asks for them.
        ca_file: certificates to trust instead of the system's, for ``https``.
        alone: the node answers for itself: what it lacks, ``get`` and ``pin`` do not fetch from others.
        timeout: seconds for one block or one question, each attempt.
        slow_timeout: seconds for one upload of up to 16 MiB, a pin, or a collection.

    Raises:
        InvalidInputError: the address is not one. No connection is made yet.
    """

    def __init__(
        self,
        address: str,
        *,
        auth: BasicAuth | BearerAuth | None = None,
        ca_file: Path | None = None,
        alone: bool = False,
        timeout: float = TIMEOUT_SECONDS,
        slow_timeout: float = SLOW_TIMEOUT_SECONDS,
    ) -> None:
        self._rpc = KuboRpc(address, auth=auth, ca_file=ca_file)
        self._timeout = timeout
        self._slow_timeout = slow_timeout
        self._reach = _LOCAL_ONLY if alone else {}
        self._greeted = False

    def close(self) -> None:
        """Close the connections."""
        self._rpc.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # ------------------------------------------------------------------------------------------ reading

    def get(self, cid: Cid, max_size: int = MAX_BLOCK_SIZE) -> bytes:
        """Return a block's bytes, verified; see ``BlobStore.get``. A node that lies is not asked twice."""

        def ask() -> bytes:
            try:
                return self._rpc.call("block/get", cid, seconds=self._timeout, options=self._reach, limit=max_size)
            except BlobTooLargeError:
                raise BlobTooLargeError(f"block {cid}", max_size) from None

        data = repeated(ask)
        verify_block(cid, data)
        return data

    def has(self, cid: Cid) -> bool:
        """Whether the node itself holds the block."""
        try:
            answer = self._ask("block/stat", cid, _LOCAL_ONLY)
        except BlobNotFoundError:
            return False
        _assert_cid(cid, answer.get("Key"))
        return True

    def pins(self) -> frozenset[Cid]:
        """Return the roots that are pinned recursively. Pins of a kind that medshare never makes are left out."""
        # As one object: a listing in lines that was cut off could not be told from a whole one.
        raw = repeated(lambda: self._rpc.call("pin/ls", seconds=self._slow_timeout, options={"type": "recursive"}))
        keys = json_object(raw).get("Keys") or {}
        if not isinstance(keys, dict):
            raise RefusedError("the answer is not that of a Kubo node")
        return frozenset(cid for cid in map(_accepted, keys) if cid is not None)

    # ------------------------------------------------------------------------------------------ writing

    def put(self, blocks: Iterable[Block]) -> None:
        """Send blocks to the node; see ``BlobStore.put``. The node's own count must be ours, or it raises."""
        for batch in in_batches(blocks):
            # A refused upload looks like a broken line, so ask something small first for the true reason.
            if not self._greeted:
                self._ask("version")
                self._greeted = True
            repeated(partial(self._upload, batch))

    def _upload(self, batch: list[Block]) -> None:
        """Send one archive. Whole or not, repeating it is harmless: blocks are their own names."""
        raw = self._rpc.call(
            "dag/import",
            seconds=self._slow_timeout,
            options={"pin-roots": "false", "stats": "true"},
            limit=_MAX_SMALL_ANSWER,
            body=encode_car([batch[0].cid], batch),
        )
        stats: Any = None
        for line in filter(None, (line.strip() for line in raw.split(b"\n"))):
            answer = json_object(line)
            root = answer.get("Root")
            if isinstance(root, dict) and root.get("PinErrorMsg"):
                raise_node_error(root["PinErrorMsg"])
            stats = answer.get("Stats", stats)
        # Kubo says late errors in an HTTP trailer that nobody shows us; only these counts tell that all arrived.
        expected = {"BlockCount": len(batch), "BlockBytesCount": sum(len(block.data) for block in batch)}
        if stats != expected:
            raise StoreUnavailableError("the node does not confirm that all blocks arrived")
        _log.debug("sent %d blocks", len(batch))

    def pin(self, root: Cid) -> None:
        """Keep everything below ``root``; the node fetches from others what it lacks, unless it is ``alone``.

        Raises:
            BlobNotFoundError: a block of it is not to be had.
            StoreUnavailableError: the node did not confirm.
        """
        answer = self._ask("pin/add", root, {"recursive": "true", **self._reach}, slow=True)
        self._assert_pin(root, answer)

    def pin_all(self, roots: Iterable[Cid]) -> None:
        """Keep everything below each root, with one call for many; see ``pin``.

        Raises:
            BlobNotFoundError: a block is not to be had; some of the others may be pinned.
            StoreUnavailableError: the node did not confirm.
        """
        cids = list(dict.fromkeys(roots))
        for start in range(0, len(cids), _NAMED_AT_ONCE):
            named = cids[start : start + _NAMED_AT_ONCE]
            answer = json_object(repeated(partial(self._pin_each, named)))
            if set(answer.get("Pins") or ()) != set(map(str, named)):
                raise StoreUnavailableError("the node does not confirm the pins")

    def _pin_each(self, roots: list[Cid]) -> bytes:
        options: dict[str, str | list[str]] = {"arg": [str(root) for root in roots], "recursive": "true", **self._reach}
        return self._rpc.call("pin/add", roots[0], seconds=self._slow_timeout, options=options)

    def unpin(self, root: Cid) -> None:
        """Keep it no longer. Not pinned is no error."""
        try:
            answer = self._ask("pin/rm", root, {"recursive": "true"}, slow=True)
        except NotPinnedError:
            return
        self._assert_pin(root, answer)

    def collect(self) -> Collected:
        """Let the node remove what no pin reaches; pins of others on the same node count as well.

        Raises:
            StoreUnavailableError: the node stopped half way; what it keeps, it keeps.
        """
        before = self._repository()
        removed = 0
        for line in self._rpc.lines("repo/gc", seconds=self._slow_timeout, options={"stream-errors": "true"}):
            if line.get("Error"):
                raise_node_error(line["Error"])
            removed += "Key" in line
        after = self._repository()
        return Collected(
            removed_blocks=removed,
            freed_bytes=max(0, before["RepoSize"] - after["RepoSize"]),
            kept_blocks=after["NumObjects"],
        )

    def remove(self, blocks: Iterable[Cid]) -> None:
        """Let the node remove these blocks; see ``BlobStore.remove``. Its other blocks stay, unlike in a collection.

        Raises:
            StoreUnavailableError: the node did not remove a block that no pin reaches.
        """
        cids = [str(cid) for cid in blocks]
        for start in range(0, len(cids), _NAMED_AT_ONCE):
            options: dict[str, str | list[str]] = {"arg": cids[start : start + _NAMED_AT_ONCE], "force": "true"}
            for line in self._rpc.lines("block/rm", seconds=self._slow_timeout, options=options):
                reason = line.get("Error")
                if reason and not str(reason).startswith("pinned"):
                    raise_node_error(reason)

    # ---------------------------------------------------------------------------------------- questions

    def _ask(
        self, command: str, cid: Cid | None = None, options: dict[str, str] | None = None, *, slow: bool = False
    ) -> dict[str, Any]:
        seconds = self._slow_timeout if slow else self._timeout
        return json_object(
            repeated(lambda: self._rpc.call(command, cid, seconds=seconds, options=options, limit=_MAX_SMALL_ANSWER))
        )

    def _assert_pin(self, root: Cid, answer: dict[str, Any]) -> None:
        pins = answer.get("Pins")
        if not isinstance(pins, list) or len(pins) != 1:
            raise StoreUnavailableError("the node does not confirm the pin")
        _assert_cid(root, pins[0])

    def _repository(self) -> dict[str, int]:
        answer = self._ask("repo/stat", slow=True)
        figures = {key: answer.get(key) for key in ("RepoSize", "NumObjects")}
        if not all(isinstance(value, int) for value in figures.values()):
            raise RefusedError("the answer is not that of a Kubo node")
        return {key: value for key, value in figures.items() if isinstance(value, int)}


def _assert_cid(expected: Cid, answer: object) -> None:
    if answer != str(expected):
        raise BlobMismatchError(str(expected), ascii(answer)[:80])


def _accepted(text: str) -> Cid | None:
    try:
        return Cid.parse(text)
    except InvalidInputError:
        return None
