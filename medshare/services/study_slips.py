"""Slips in studies: by which a patient's client judges his records, and which go into the bundle that he signs.

Requester and custodian judge by the same. The requester reads them where every reader finds slips; for the custodian
whom the patient names there is a document of its own: of his own records, by the method of the study. Its name only
these two can compute, as that of an excerpt.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from medshare.envelope import Identity, Recipient
from medshare.errors import InvalidInputError
from medshare.model.ids import Address, TermsDigest
from medshare.model.record import RecordRef
from medshare.model.slip import MAX_SLIPS, Slip
from medshare.services.slips import sealed_slips


@dataclass(frozen=True, slots=True, kw_only=True)
class StudySlips:
    """What a patient's client keeps of the quality of records when he accepts a study that asks for it."""

    method: int
    """The study's: slips by others do not count in it."""
    custodian: Address
    """Who is to deliver."""
    slips: tuple[Slip, ...]
    """Those that stand, by whatever method."""

    def for_reader(
        self, released: Sequence[RecordRef], writer: Identity, readers: Sequence[Recipient]
    ) -> list[bytes] | None:
        """Return the slips of records whose keys are released, in pieces; None where there are none.

        Those that count in the study all are in it; of others, what there is room for.

        Raises:
            InvalidInputError: those that count are too many for one bundle.
        """
        records = {each.record_id for each in released}
        of_them = [each for each in self.slips if each.record_id in records]
        counting = [each for each in of_them if each.method == self.method]
        if len(counting) > MAX_SLIPS:
            raise InvalidInputError(
                f"{len(counting)} slips say how good these records are, one bundle holds {MAX_SLIPS}",
                hint="permit fewer records: by category, or by name",
            )
        others = [each for each in of_them if each.method != self.method]
        several = [*counting, *others[: MAX_SLIPS - len(counting)]]
        return sealed_slips(several, writer, readers) if several else None

    def for_custodian(
        self, released: Sequence[RecordRef], writer: Identity, keys: Mapping[Address, Recipient], terms: TermsDigest
    ) -> dict[str, list[bytes]]:
        """Return those that count of the custodian's own records, by name, in pieces.

        Nothing where there are none, or where he is not among ``keys``: then the grant does not speak to him either.
        """
        records = {each.record_id for each in released if each.custodian == self.custodian}
        counting = [each for each in self.slips if each.record_id in records and each.method == self.method]
        key = keys.get(self.custodian)
        if key is None or not counting:
            return {}
        return {custodian_slips_name(writer, key, terms): sealed_slips(counting, writer, [key])}


def custodian_slips_name(own: Identity, peer: Recipient, terms: TermsDigest) -> str:
    """Return the name of the custodian's slips in a bundle: patient and custodian compute the same."""
    return own.shared_secret(peer, "medshare/custodian-slips/1", terms).hex() + ".c4gh"
