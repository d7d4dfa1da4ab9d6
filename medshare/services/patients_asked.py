"""What a load asks about its patients: whose keys, and what their grants say. Once for each.

Between groups of records those are asked about again of whom the chain has told something since, so that nothing is
sealed for a reader whose grant was revoked. For the next batch, or before one is anchored, those too whose grants may
have begun or ended meanwhile, or may permit another key of a reader.
"""

from __future__ import annotations

from dataclasses import dataclass

from medshare.envelope import Recipient
from medshare.model.ids import Address
from medshare.model.record import Manifest
from medshare.ports import Actor, Ledger
from medshare.services.auditing import Auditing
from medshare.services.description import Description
from medshare.services.load_journal import PatientOfBatch
from medshare.services.packets import unborn
from medshare.services.published_keys import controllers_key, custodians_key
from medshare.services.standing import PatientConsents, Readers, StandingConsents

MAX_KEPT = 10_000
"""Patients about whom answers are kept; when there are more it starts over, and asks again at the same block."""


@dataclass(frozen=True, slots=True)
class _Asked:
    controller: Address
    key: Recipient
    consents: PatientConsents
    standing: bytes


class PatientsAsked:
    """Answers about patients at one block.

    Args:
        ledger: the contracts.
        auditing: what the chain has told.
        standing: what live grants say.
        custodian: who publishes.

    Raises:
        EncryptionKeyNotSetError: the custodian has published no key.
        ConfigurationError: his identity is not the one he has published.
        LedgerError: the chain failed.
    """

    def __init__(self, *, ledger: Ledger, auditing: Auditing, standing: StandingConsents, custodian: Actor) -> None:
        self._ledger = ledger
        self._auditing = auditing
        self._standing = standing
        self._custodian = custodian
        self._asked: dict[Address, _Asked] = {}
        self._block = auditing.sync()
        self._own = custodians_key(ledger, custodian, self._block)

    def refresh(self) -> None:
        """Answer as of the chain's newest block; raises as when it was made."""
        self.heed()
        self._asked = {patient: asked for patient, asked in self._asked.items() if asked.consents.is_lasting}

    def heed(self) -> None:
        """Ask again about those of whom the chain has told something since; raises as ``refresh``.

        What a grant's time says is asked of the clock each time: what is revoked is not sealed for from now on.
        """
        since, block = self._block, self._auditing.sync()
        if block == since:
            return
        self._own = custodians_key(self._ledger, self._custodian, block)
        if since.number > block.number or self._ledger.chain.block(since.number) != since:
            self._asked.clear()  # the chain that was asked is no more
        named = self._auditing.named(since)
        self._asked = {
            patient: asked for patient, asked in self._asked.items() if not named & {patient, asked.controller}
        }
        self._block = block

    def of(self, patient: Address) -> PatientOfBatch:
        """Return the patient as a batch notes him.

        Raises:
            EncryptionKeyNotSetError: he has published no key.
            LedgerError: the chain failed.
        """
        asked = self._about(patient)
        return PatientOfBatch(patient=patient, key=asked.key.key, standing=asked.standing)

    def readers(self, patient: Address, described: Manifest | Description) -> Readers:
        """Return whom the patient's grants permit a record that is described so; raises as ``of``."""
        subject = unborn(described, custodian=self._custodian.address, patient=patient)
        return self._about(patient).consents.readers(subject)

    def recipients(self, patient: Address, readers: Readers) -> list[Recipient]:
        """Return who gets a packet: patient, custodian and readers."""
        return [self._about(patient).key, self._own, *readers.admitted.values()]

    def _about(self, patient: Address) -> _Asked:
        asked = self._asked.get(patient)
        if asked is None:
            controller, key = controllers_key(self._ledger, patient, self._block)
            consents = self._standing.of(self._custodian, patient, block=self._block)
            asked = _Asked(controller=controller, key=key, consents=consents, standing=consents.digest)
            if len(self._asked) >= MAX_KEPT:
                self._asked.clear()
            self._asked[patient] = asked
        return asked
