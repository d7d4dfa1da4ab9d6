"""What cannot be signed, or is not sent."""

from __future__ import annotations

from medshare.errors.base import MedshareError


class SigningError(MedshareError):
    """A message cannot be signed, or what was signed is not what was asked for."""


class WrongDomainError(SigningError):
    """A message is for another chain or another contract."""

    hint = "nothing was signed or sent: compare network and deployment with the other side's"

    def __init__(self, expected: object, actual: object) -> None:
        super().__init__(f"a message for {actual}, where {expected} is expected")
        self.expected = expected
        self.actual = actual


class DeadlineTooFarError(SigningError):
    """A signature that somebody could keep, and send when nobody remembers it."""

    hint = "sign it anew with a deadline within days"

    def __init__(self, deadline: int, latest: int) -> None:
        super().__init__(f"the deadline {deadline} (Unix seconds) is later than {latest}")
        self.deadline = deadline
        self.latest = latest


class SignerUnavailableError(SigningError):
    """The wallet cannot be reached, did not answer in time, or answered nonsense."""

    hint = "unlock the wallet, check its address, and try again; nothing was sent"


class SigningRefusedError(SigningError):
    """The person at the wallet, or its rules, said no."""

    hint = "nothing was signed; ask again if that was a mistake"


class SignatureMismatchError(SigningError):
    """The wallet signed something else, or with another key."""

    hint = "nothing was sent: check which account is selected in the wallet"

    def __init__(self, expected: str) -> None:
        super().__init__(f"the signature is not {expected}'s for this message")
        self.expected = expected


class RelayError(MedshareError):
    """A relayer does not send a message, and pays nothing for it."""


class NotRelayableError(RelayError):
    """A message that is not for a relayer."""


class RateLimitedError(RelayError):
    """So many messages were sent for this patient, or in all, that the next must wait."""

    def __init__(self, subject: str, wait: int) -> None:
        super().__init__(f"the relayer's limit for {subject} is reached", hint=f"try again in {wait} seconds")
        self.subject = subject
        self.wait = wait
