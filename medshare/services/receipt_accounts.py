"""Accounts of read receipts: who said that he was about to read, and whether the chain bears it out.

    account = receipt_accounts.of(hospital.address, patient=me)     # the custodian's client writes it
    compared = receipt_accounts.compare(account)                    # anybody's reads it

Nothing in an account is believed: each receipt's signature is verified, each batch's root is computed anew and looked
for on chain. Of an account of all of a custodian's receipts, one that is left out or edited changes a root, and a batch
that is left out leaves a root on chain that nothing explains. Of an account of one patient, what is on chain of
deliveries on receipts shows that one is missing; of emergencies it shows what was released without one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from medshare.errors import LedgerUnavailableError, MedshareError
from medshare.model.events import AccessDelivered, RewardReserved
from medshare.model.ids import Address, EpisodeId, GrantId, derive_grant_id
from medshare.model.merkle import nodes_of, proof_of
from medshare.model.purpose import Purpose
from medshare.model.read_receipt import SignableReadReceipt, leaf_of, receipt_of
from medshare.model.receipt_account import AccountedReceipt, ReceiptAccount
from medshare.model.record import RecordEntry
from medshare.model.request import request_terms_digest
from medshare.model.typed_data import SignedMessage
from medshare.ports import Ledger
from medshare.services.auditing import Auditing, Emergency
from medshare.services.receipt_journal import KeptReceipt, ReceiptJournal
from medshare.services.receipts import CLOCK_AHEAD, Receipts


class Fault(StrEnum):
    """What is wrong with an account of receipts."""

    NOT_SIGNED = "not signed by its reader"
    NOT_ITS_OWN = "of another custodian, or another patient"
    TWICE = "there more than once"
    BATCH_DIFFERS = "not what is in its batch: one was left out, added or edited"
    COUNT_DIFFERS = "not as many as were anchored"
    ANCHORED_BEFORE = "signed after its batch was anchored"
    BATCH_OMITTED = "a batch that is on chain, and not in the account"
    RECEIPT_OMITTED = "delivered on a receipt that is not in the account"


@dataclass(frozen=True, slots=True, kw_only=True)
class Faulty:
    """Something in an account that the chain does not bear out."""

    fault: Fault
    what: str
    """Which receipt, root or grant, by its digest or id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToldReceipt:
    """A receipt, as it is told to the patient whose records it is about."""

    said: SignableReadReceipt
    digest: bytes
    root: bytes | None
    """The root of its batch, if it is in one."""
    anchored_at: int | None
    """When the root came on chain, Unix seconds; None as long as it is not."""
    released_at: int | None
    """When the custodian gave the keys, as far as the chain tells."""
    records: tuple[RecordEntry, ...]
    """The patient's records that this custodian had stated when it was signed: the receipt is about some of them."""

    @property
    def is_emergency(self) -> bool:
        """Whether the patient was not asked."""
        return self.said.purposes == Purpose.BTG


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """An account of receipts, compared with the chain."""

    told: tuple[ToldReceipt, ...]
    """Of one patient: those that are their readers' own, emergencies first."""
    faults: tuple[Faulty, ...]
    without: tuple[EpisodeId, ...]
    """Of one patient: episodes for which the custodian released keys, and of which no receipt is in the account."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known:
    """What the chain tells of a patient and a custodian."""

    anchored: Mapping[bytes, int]
    """When the custodian's roots came on chain, Unix seconds."""
    records: Sequence[RecordEntry]
    """Those that this custodian states."""
    emergencies: Sequence[Emergency]
    deliveries: Sequence[tuple[GrantId, Address, AccessDelivered]]


class ReceiptAccounts:
    """Writes accounts of receipts, and compares them with the chain.

    Args:
        ledger: the contracts.
        auditing: the chain's events.
        journal: what is kept here.
        receipts: verifies what readers have signed.
    """

    def __init__(self, *, ledger: Ledger, auditing: Auditing, journal: ReceiptJournal, receipts: Receipts) -> None:
        self._ledger = ledger
        self._auditing = auditing
        self._journal = journal
        self._receipts = receipts

    def of(self, custodian: Address, *, patient: Address | None = None) -> ReceiptAccount:
        """Return what a custodian keeps here: all of it, or one patient's; raises ``ConfigurationError``."""
        kept = self._receipts.all(custodian)
        if patient is None:
            every = (AccountedReceipt(signed=each.signed, root=each.batch) for each in kept)
            return ReceiptAccount(custodian=custodian, patient=None, receipts=tuple(every))
        wanted = [each for each in kept if receipt_of(each.signed).patient == patient]
        trees = {root: _tree(kept, root) for root in {each.batch for each in wanted} if root is not None}
        several = (
            AccountedReceipt(
                signed=each.signed,
                root=each.batch,
                proof=() if each.batch is None else proof_of(trees[each.batch], leaf_of(each.signed)),
            )
            for each in wanted
        )
        return ReceiptAccount(custodian=custodian, patient=patient, receipts=tuple(several))

    def about(self, patient: Address) -> list[ReceiptAccount]:
        """Return the receipts about a patient that are kept here, of each custodian; raises ``ConfigurationError``."""
        accounts = (self.of(custodian, patient=patient) for custodian in self._journal.custodians())
        return [account for account in accounts if account.receipts]

    def compare(self, account: ReceiptAccount) -> Compared:
        """Compare an account with the chain.

        Raises:
            LedgerError: the chain failed.
        """
        genuine = {each.signed.digest for each in account.receipts if self._is_signed(each.signed)}
        faults = [*self._of_receipts(account, genuine), *self._of_batches(account)]
        if account.patient is None:
            return Compared(told=(), faults=tuple(faults), without=())
        own = [each for each in account.receipts if each.signed.digest in genuine and _is_own(each, account)]
        signed_for = {each.said.right for each in own}
        known = self._known(account.custodian, account.patient)
        faults += self._omitted(account, account.patient, signed_for, known)
        told = sorted(
            (_told(each, known) for each in own), key=lambda each: (not each.is_emergency, each.said.signed_at)
        )
        return Compared(
            told=tuple(told),
            faults=tuple(faults),
            without=tuple(_without(account, signed_for, known)),
        )

    # -------------------------------------------------------------------------------------------- internals

    def _is_signed(self, signed: SignedMessage) -> bool:
        try:
            self._receipts.verify(signed)
        except LedgerUnavailableError:
            raise
        except MedshareError:
            return False
        return True

    def _of_receipts(self, account: ReceiptAccount, genuine: Collection[bytes]) -> Iterator[Faulty]:
        """Yield what is wrong with single receipts; ``genuine`` are the digests of those that were signed."""
        times = Counter(each.signed.digest for each in account.receipts)
        for each in account.receipts:
            digest = each.signed.digest
            if digest not in genuine:
                yield Faulty(fault=Fault.NOT_SIGNED, what=digest.hex())
            elif not _is_own(each, account):
                yield Faulty(fault=Fault.NOT_ITS_OWN, what=digest.hex())
        for digest, count in times.items():
            if count > 1:
                yield Faulty(fault=Fault.TWICE, what=digest.hex())

    def _of_batches(self, account: ReceiptAccount) -> Iterator[Faulty]:
        """Yield which batches are not as they should be, or not as they are on chain."""
        anchored = {each.root: each for each in self._auditing.anchored(account.custodian)}
        batches = account.batches
        for root, within in batches.items():
            if not account.proven(root, within):
                yield Faulty(fault=Fault.BATCH_DIFFERS, what=root.hex())
            anchor = anchored.get(root)
            if anchor is None:
                continue
            if len(within) > anchor.count or (account.patient is None and len(within) != anchor.count):
                yield Faulty(fault=Fault.COUNT_DIFFERS, what=root.hex())
            at = anchor.place.block.time + CLOCK_AHEAD
            for each in within:
                if each.said.signed_at > at:
                    yield Faulty(fault=Fault.ANCHORED_BEFORE, what=each.signed.digest.hex())
        if account.patient is None:
            for root in anchored.keys() - batches.keys():
                yield Faulty(fault=Fault.BATCH_OMITTED, what=root.hex())

    def _omitted(
        self, account: ReceiptAccount, patient: Address, signed_for: Collection[int], known: _Known
    ) -> Iterator[Faulty]:
        """Yield which deliveries on receipts the account of a patient has no receipt for."""
        for grant_id, custodian, delivered in known.deliveries:
            if custodian != account.custodian or grant_id in signed_for:
                continue
            # What was closed in until then is delivered under another id.
            if delivered.bundle not in self._auditing.bundles(patient, grant_id):
                yield Faulty(fault=Fault.RECEIPT_OMITTED, what=f"{grant_id:#x}")

    def _known(self, custodian: Address, patient: Address) -> _Known:
        """Return what the chain tells of a patient and a custodian, asked once for all receipts."""
        return _Known(
            anchored={each.root: each.place.block.time for each in reversed(self._auditing.anchored(custodian))},
            records=[each for each in self._auditing.records(patient) if each.custodian == custodian],
            emergencies=self._auditing.emergencies(patient=patient),
            deliveries=list(self._deliveries(patient)),
        )

    def _deliveries(self, patient: Address) -> Iterator[tuple[GrantId, Address, AccessDelivered]]:
        escrow = self._ledger.requests.address
        reserved: dict[int, RewardReserved] = {}
        for event in self._auditing.trail(patient):
            match event:
                case RewardReserved():
                    reserved[event.request_id] = event
                case AccessDelivered() if event.request_id in reserved:
                    by = reserved[event.request_id]
                    requester = self._ledger.requests.request(
                        event.request_id, block=self._ledger.chain.head()
                    ).requester
                    terms = request_terms_digest(escrow, event.request_id, by.custodian, by.content)
                    yield derive_grant_id(patient, requester, terms), by.custodian, event
                case _:
                    pass


def _without(account: ReceiptAccount, signed_for: Collection[int], known: _Known) -> Iterator[EpisodeId]:
    for emergency in known.emergencies:
        is_released = any(each.custodian == account.custodian for each in emergency.released)
        if is_released and emergency.episode.episode_id not in signed_for:
            yield emergency.episode.episode_id


def _told(accounted: AccountedReceipt, known: _Known) -> ToldReceipt:
    said = accounted.said
    return ToldReceipt(
        said=said,
        digest=accounted.signed.digest,
        root=accounted.root,
        anchored_at=None if accounted.root is None else known.anchored.get(accounted.root),
        released_at=_released_at(said, known),
        records=tuple(each for each in known.records if each.registered_at <= said.signed_at),
    )


def _released_at(said: SignableReadReceipt, known: _Known) -> int | None:
    """Return when the custodian first gave keys by this right, from when it was signed on."""
    if said.purposes == Purpose.BTG:
        times = [
            each.place.block.time
            for emergency in known.emergencies
            if emergency.episode.episode_id == said.right
            for each in emergency.released
            if each.custodian == said.custodian
        ]
    else:
        times = [
            each.place.block.time
            for grant_id, custodian, each in known.deliveries
            if (grant_id, custodian) == (said.right, said.custodian)
        ]
    return min((at for at in times if at >= said.signed_at), default=None)


def _is_own(accounted: AccountedReceipt, account: ReceiptAccount) -> bool:
    said = accounted.said
    return said.custodian == account.custodian and account.patient in (None, said.patient)


def _tree(kept: Sequence[KeptReceipt], root: bytes) -> tuple[bytes, ...]:
    return nodes_of(leaf_of(each.signed) for each in kept if each.batch == root)
