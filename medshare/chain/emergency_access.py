"""The contract EmergencyAccess, as ``ports.EmergencyLedger``."""

from __future__ import annotations

from medshare.chain.client import ChainClient
from medshare.chain.codec import (
    address_word,
    bounded,
    decode_bar,
    decode_bool,
    decode_episode,
    decode_standing,
    digest_word,
    selector,
    word,
    words,
)
from medshare.chain.events import told
from medshare.chain.transactions import TransactionSender
from medshare.errors import InvalidInputError
from medshare.model.emergency import Bar, EmergencyLimits, Episode, EpisodeRequest, Standing, Verdict
from medshare.model.events import BlockRef, GlassBroken
from medshare.model.ids import Address, BundleId, EpisodeId
from medshare.model.purpose import Purpose
from medshare.ports import OpenedEpisode, Receipt, Signer

CONTRACT = "EmergencyAccess"
_U32 = (1 << 32) - 1


class EmergencyAccessAdapter:
    """Speaks to a deployed EmergencyAccess.

    Every method raises ``LedgerUnavailableError`` where the node fails, and writing raises as
    ``TransactionSender.send``.
    """

    def __init__(self, client: ChainClient, sender: TransactionSender, address: Address) -> None:
        self._client = client
        self._sender = sender
        self.address = address

    def break_glass(self, signer: Signer, request: EpisodeRequest, *, intent: str | None = None) -> OpenedEpisode:
        """Open an emergency episode, as an accredited clinician.

        Raises:
            NotAccreditedError: the signer is not accredited as a clinician now.
            BreakGlassBarredError: the patient has barred it.
            EpisodePatientInvalidError, EpisodeDurationError: the episode cannot be.
            EpisodeOpenError: one is open for this patient already.
            ReviewOverdueError, TooManyUnreviewedError: earlier episodes must be reviewed first.
        """
        if not 0 <= request.duration <= _U32:
            raise InvalidInputError("a duration is a number of seconds")
        data = (
            selector(CONTRACT, "breakGlass(address,uint8,bytes32,uint32)")
            + address_word(request.patient)
            + word(request.reason)
            + digest_word(request.details)
            + word(request.duration)
        )
        receipt = self._sender.send(signer, to=self.address, data=data, intent=intent)
        broken = told(self._client, self.address, CONTRACT, GlassBroken, receipt)
        return OpenedEpisode(episode_id=broken.episode_id, receipt=receipt)

    def end(self, signer: Signer, episode_id: EpisodeId) -> Receipt:
        """End an episode now, as its clinician or the one in control of the patient.

        Raises:
            UnknownEpisodeError, EpisodeOverError: there is none, or it is over.
            EpisodeNotAllowedError: the signer is neither of the two.
        """
        return self._sender.send(signer, to=self.address, data=selector(CONTRACT, "end(uint256)") + word(episode_id))

    def release(self, signer: Signer, episode_id: EpisodeId, bundle: BundleId) -> Receipt:
        """State, as a custodian, which keys were released; raises ``UnknownEpisodeError`` and ``EpisodeOverError``."""
        data = selector(CONTRACT, "release(uint256,bytes32)") + word(episode_id) + digest_word(bundle)
        return self._sender.send(signer, to=self.address, data=data)

    def review(self, signer: Signer, episode_id: EpisodeId, verdict: Verdict, note: bytes) -> Receipt:
        """Review an episode, as an accredited reviewer who is neither its clinician nor its patient.

        Raises:
            UnknownEpisodeError, AlreadyReviewedError: there is none, or it was reviewed.
            NotAccreditedError, EpisodeNotAllowedError: the signer may not review it.
            VerdictMissingError: the verdict is none.
        """
        data = (
            selector(CONTRACT, "review(uint256,uint8,bytes32)") + word(episode_id) + word(verdict) + digest_word(note)
        )
        return self._sender.send(signer, to=self.address, data=data)

    def set_bar(self, signer: Signer, patient: Address, *, barred: bool) -> Receipt:
        """Bar break-glass for a patient, or allow it again; raises ``EpisodeNotAllowedError``."""
        data = selector(CONTRACT, "setBar(address,bool)") + address_word(patient) + word(int(barred))
        return self._sender.send(signer, to=self.address, data=data)

    def episode(self, episode_id: EpisodeId, *, block: BlockRef) -> Episode:
        """Return an episode as it stands; raises ``UnknownEpisodeError``."""
        data = selector(CONTRACT, "getEpisode(uint256)") + word(episode_id)
        return decode_episode(episode_id, self._client.call(self.address, data, block=block))

    def is_live(self, episode_id: EpisodeId, *, block: BlockRef) -> bool:
        """Return the contract's own answer at that block's time: it lasts, and its clinician is accredited."""
        data = selector(CONTRACT, "isLive(uint256,uint16)") + word(episode_id) + word(int(Purpose.BTG))
        (live,) = words(self._client.call(self.address, data, block=block), 1)
        return decode_bool(live)

    def standing(self, clinician: Address, *, block: BlockRef) -> Standing:
        """Return how many episodes a clinician has opened, and up to which all are reviewed."""
        data = selector(CONTRACT, "getStanding(address)") + address_word(clinician)
        return decode_standing(self._client.call(self.address, data, block=block))

    def bar(self, patient: Address, *, block: BlockRef) -> Bar:
        """Return whether a patient has barred break-glass, and how often he set it."""
        data = selector(CONTRACT, "getBar(address)") + address_word(patient)
        return decode_bar(self._client.call(self.address, data, block=block))

    def limits(self, *, block: BlockRef) -> EmergencyLimits:
        """Return what the contract was deployed with."""
        longest, period, most = (
            bounded(words(self._client.call(self.address, selector(CONTRACT, view), block=block), 1)[0], _U32)
            for view in ("longestEpisode()", "reviewPeriod()", "mostUnreviewed()")
        )
        return EmergencyLimits(longest_episode=longest, review_period=period, most_unreviewed=most)
