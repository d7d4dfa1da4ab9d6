"""What a store did not do."""

from __future__ import annotations

from medshare.errors.base import MedshareError


class StoreError(MedshareError):
    """The store did not do its part."""


class BlobNotFoundError(StoreError):
    """The store has no block of this CID."""

    hint = "another node may hold it; check that the record was pinned and the node is reachable"

    def __init__(self, cid: str, *, hint: str | None = None) -> None:
        super().__init__(f"the store has no block {cid}", hint=hint)
        self.cid = cid


class BlobMismatchError(StoreError):
    """The store answered with bytes of another CID."""

    hint = "the store lies or is damaged: nothing of its answer was used"

    def __init__(self, expected: str, actual: str) -> None:
        super().__init__(f"asked for {expected}, the bytes are {actual}")
        self.expected = expected
        self.actual = actual


class MalformedBlobError(StoreError):
    """A block has the right CID and the wrong form: not a node, file or directory that we accept."""


class BlobTooLargeError(StoreError):
    """A block, file, or directory is larger than the caller's limit."""

    def __init__(self, what: str, limit: int) -> None:
        super().__init__(f"{what} is larger than the limit of {limit}")
        self.limit = limit


class StoreUnavailableError(StoreError):
    """The store cannot be reached, stalled, or broke off."""

    hint = "try again: nothing was lost, and a repeated operation does nothing twice"


class StoreFullError(StoreError):
    """There is no space left where something is to be written: by the store, or anywhere else."""

    hint = "free space, then repeat; what broken-off work left goes with: medshare storage collect --older-than 0s"


class StoreRefusedError(StoreUnavailableError):
    """The store asks for credentials, or does not take those it was shown: trying again does not help."""

    hint = "check the name, password or token"
