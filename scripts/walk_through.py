"""Walk through what patients, parents, hospitals and clinicians do, on real FHIR R4 examples, from top to bottom.

    python scripts/walk_through.py

It works in a folder of its own that is gone afterwards, on the embedded chain, whose clock it puts forward. Each step
prints what happens, and checks it: the script ends with an error if anything is not as it says.
"""

from __future__ import annotations

import argparse
import secrets
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from medshare import Session, connect
from medshare.chain import LocalSigner
from medshare.cli.ending import run
from medshare.demo import example_records
from medshare.errors import AccessDeniedError, IntegrityError, RejectedError
from medshare.ingesting import Said
from medshare.model.accreditation import AccreditationKind
from medshare.model.delegation import Verbs
from medshare.model.emergency import EmergencyReason, Verdict
from medshare.model.purpose import PurposeOfUse
from medshare.model.record import RecordEntry
from medshare.ports import Actor
from medshare.services.registering import Published
from medshare.services.representing import everything_for
from medshare.session import make_home
from medshare.settings import Settings
from medshare.standards import fhir
from medshare.standards.ingest import examine

DAY = 86_400
HOUR = 3_600
PEOPLE = ("city_hospital", "lake_hospital", "child", "mother", "paediatrician", "clinician", "reviewer", "new_key")


def main(arguments: list[str] | None = None) -> int:
    """Walk through everything; return the exit code."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args(
        arguments
    )
    return run(_in_a_folder_of_its_own)


def _in_a_folder_of_its_own() -> None:
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        make_home(Settings.begin(home))
        with connect(home) as session:
            walk(session)


def walk(session: Session) -> None:
    """Everything, in order."""
    town = settle(session)
    first, later = _examples(), _examples(beginning=4)
    published = [town.publish("city_hospital", document) for document in first]

    a_mother_acts_for_her_child(town, published)
    a_standing_consent_covers_what_comes_later(town, later[0])
    a_history_from_two_hospitals(town, later[1:])
    revoked_and_rotated(town, published)
    an_emergency_is_reviewed(town)
    the_child_comes_of_age(town)
    guardians_replace_a_lost_key(town)
    say("")
    say("Done: each of these steps was checked as it was told.")


# ------------------------------------------------------------------------------------------------ the steps


def a_mother_acts_for_her_child(town: Town, published: list[Published]) -> None:
    """A delegate grants in the patient's name, within what she was given."""
    title("A mother acts for her child, until the child comes of age in 90 days")
    child, mother, paediatrician = town.people["child"], town.people["mother"], town.people["paediatrician"]
    appointed = town.session.representing.appoint(
        patient=child,
        delegate=mother.address,
        verbs=Verbs.GRANT | Verbs.REVOKE,
        purposes=[PurposeOfUse.TREAT],
        expires_at=town.now + 90 * DAY,
        access=[everything_for(PurposeOfUse.PATRQT)],
    )
    say("the child's key appoints her, and lets her read, so that she has something to release")
    say(f"she grants the paediatrician treatment: all {len(published)} records, and what comes later")
    granted = town.session.consenting.grant(
        patient=mother,
        on_behalf_of=child.address,
        grantee=paediatrician.address,
        provisions=[everything_for(PurposeOfUse.TREAT)],
        expires_at=town.now + 60 * DAY,
    )
    check(len(granted.released) == len(published), "every record was released")
    town.reads("paediatrician", published[0].entry)
    (standing,) = town.session.auditing.grants(patient=child.address, grantee=paediatrician.address)
    check(standing.granted_by == mother.address, "the chain says who granted")
    say("she tries to grant for longer than she is appointed, and to revoke everything: refused")
    town.refused(
        lambda: town.session.consenting.grant(
            patient=mother,
            on_behalf_of=child.address,
            grantee=paediatrician.address,
            provisions=[everything_for(PurposeOfUse.TREAT)],
            expires_at=appointed.delegation.expires_at + DAY,
        )
    )
    town.refused(lambda: town.session.consenting.revoke_all(patient=mother, on_behalf_of=child.address))


def a_standing_consent_covers_what_comes_later(town: Town, document: bytes) -> None:
    """A custodian who was told applies the grant when he publishes."""
    title("The city hospital publishes one more record: nobody has to grant again")
    published = town.publish("city_hospital", document)
    names = sorted(town.name_of(reader) for reader in published.readers)
    say(f"its client makes packets for: {', '.join(names)}")
    check(names == ["mother", "paediatrician"], "both have the key")
    town.reads("paediatrician", published.entry)


def a_history_from_two_hospitals(town: Town, documents: list[bytes]) -> None:
    """Records of another custodian need a grant that tells him; the history puts all of them together."""
    title("The lake hospital publishes, too; it is told by granting again")
    child, paediatrician = town.people["child"], town.people["paediatrician"]
    for document in documents:
        withheld = town.publish("lake_hospital", document)
        check(town.people["paediatrician"].address not in withheld.readers, "it knows of no consent yet")
    for grantee, purpose in (("mother", PurposeOfUse.PATRQT), ("paediatrician", PurposeOfUse.TREAT)):
        by_child = grantee == "mother"
        town.session.consenting.grant(
            patient=child if by_child else town.people["mother"],
            on_behalf_of=child.address,
            grantee=town.people[grantee].address,
            provisions=[everything_for(purpose)],
            expires_at=town.now + 60 * DAY,
        )
    history = town.session.history.of(child.address, reader=paediatrician, purpose=PurposeOfUse.TREAT)
    custodians = set()
    for record in history:
        custodians.add(record.entry.custodian)
        said = record.manifest
        say(f"{said.clinical_date or '-':<10}  {said.resource_type or '-':<20}  {town.name_of(record.entry.custodian)}")
    check(len(custodians) == 2, "both hospitals are in it")
    check(not history.failures, "nothing is missing")


def revoked_and_rotated(town: Town, published: list[Published]) -> None:
    """Revoking ends the right; rotating takes the keys of what is still to come."""
    title("The mother revokes, and the city hospital encrypts its records anew")
    mother, child = town.people["mother"], town.people["child"]
    grants = town.session.auditing.grants(patient=child.address, grantee=town.people["paediatrician"].address)
    for standing in grants:
        town.session.consenting.revoke(standing.grant.grant_id, patient=mother)
    town.denied("paediatrician", published[0].entry)
    hospital = town.people["city_hospital"]
    due = town.session.rotating.due(child.address, custodian=hospital)
    rotations = list(town.session.rotating.rotate(due, custodian=hospital))
    check(all(rotation.published is not None for rotation in rotations), "every record was rotated")
    say(f"{len(rotations)} records have new versions under new keys; the child reads them, the paediatrician does not")
    newest = next(rotation.published for rotation in rotations if rotation.published is not None)
    town.reads("child", newest.entry)
    town.denied("paediatrician", newest.entry)
    say("(what he has read stays with him: nothing takes that back)")


def an_emergency_is_reviewed(town: Town) -> None:
    """Break-glass: seen by everybody, over in an hour, reviewed by somebody else."""
    title("The child comes in unconscious: a clinician breaks the glass")
    session, child, clinician = town.session, town.people["child"], town.people["clinician"]
    for name, kind in (("clinician", AccreditationKind.CLINICIAN), ("reviewer", AccreditationKind.REVIEWER)):
        town.accredit(name, kind)
    record = town.newest("city_hospital")
    town.denied("clinician", record, PurposeOfUse.BTG)
    opened = session.emergencies.open(
        clinician=clinician,
        patient=child.address,
        reason=EmergencyReason.UNCONSCIOUS,
        details="found at the lake, no papers; identified by a friend",
        duration=HOUR,
    )
    for hospital in ("city_hospital", "lake_hospital"):
        for served in session.emergencies.serve(custodian=town.people[hospital]):
            check(served.released is not None, "keys were released")
            say(f"{hospital} releases keys of {len(served.released.records) if served.released else 0} records")
    town.reads("clinician", record, PurposeOfUse.BTG)
    say("the mother's inbox, which nobody can hold back:")
    for notice in session.inbox.read(town.people["mother"].address).notices[:3]:
        who = f" ({town.name_of(notice.who)})" if notice.who is not None else ""
        say(f"  {notice.urgency.name}: {notice.says}{who}")
    town.pass_by(HOUR)
    say("an hour later:")
    town.denied("clinician", record, PurposeOfUse.BTG)
    for hospital in ("city_hospital", "lake_hospital"):
        list(session.emergencies.serve(custodian=town.people[hospital]))
    episode_id = opened.episode.episode_id
    session.emergencies.review(
        episode_id, Verdict.JUSTIFIED, "seen in the ward's own file", reviewer=town.people["reviewer"]
    )
    (standing,) = session.emergencies.episodes(patient=child.address)
    say(f"the review: {standing.emergency.episode.verdict.name.lower()}")
    check(standing.emergency.episode.verdict is Verdict.JUSTIFIED, "it was reviewed")


def the_child_comes_of_age(town: Town) -> None:
    """A delegation ends by itself; what the patient holds stays."""
    title("The child comes of age")
    town.pass_by(90 * DAY)
    mother, child = town.people["mother"], town.people["child"]
    record = town.newest("city_hospital")
    say("the mother grants nothing more, and reads nothing more; nobody had to do anything")
    town.refused(
        lambda: town.session.consenting.grant(
            patient=mother,
            on_behalf_of=child.address,
            grantee=town.people["paediatrician"].address,
            provisions=[everything_for(PurposeOfUse.TREAT)],
            expires_at=town.now + DAY,
        )
    )
    town.denied("mother", record, PurposeOfUse.PATRQT)
    town.reads("child", record)


def guardians_replace_a_lost_key(town: Town) -> None:
    """Two of three guardians give a new key, after a week in which the old one could object."""
    title("The key is lost; two of three guardians, named before, give a new one")
    guarding, child, new_key = town.session.guarding, town.people["child"], town.people["new_key"]
    guardians = [town.people[name] for name in ("mother", "paediatrician", "reviewer")]
    addresses = [each.address for each in guardians]
    circle = guarding.name(patient=child, guardians=addresses, threshold=2, delay=7 * DAY).circle
    if circle is None:
        raise IntegrityError("there is no circle")
    approvals = [
        guarding.approve(
            guardian=each.signer, patient=child.address, controller=new_key.address, deadline=town.now + DAY
        )
        for each in guardians[:2]
        if isinstance(each.signer, LocalSigner)
    ]
    guarding.propose(circle, approvals, payer=guardians[0])
    town.refused(lambda: guarding.complete(child.address, payer=guardians[0]))
    town.pass_by(7 * DAY)
    control = guarding.complete(child.address, payer=guardians[0])
    check(control.controller == new_key.address, "the new key is in control")
    hospital = town.people["city_hospital"]
    due = town.session.rotating.due(child.address, custodian=hospital)
    check(all(each.published for each in town.session.rotating.rotate(due, custodian=hospital)), "all was rotated")
    say("after a week nobody has objected; the city hospital encrypts its records anew, for the new key")
    record = town.newest("city_hospital")
    town.reads("new_key", record, PurposeOfUse.PATRQT)
    town.refused(lambda: town.session.consenting.revoke_all(patient=child))
    for guardian in ("mother", "reviewer"):
        town.denied(guardian, record, PurposeOfUse.PATRQT)


# -------------------------------------------------------------------------------------------- what they need


@dataclass(frozen=True, slots=True, kw_only=True)
class Town:
    """The people, and the session in which they act."""

    session: Session
    people: dict[str, Actor]

    @property
    def now(self) -> int:
        """The chain's time, or the clock's where that is later."""
        return max(self.session.clock.now(), self.session.ledger.chain.head().time)

    def pass_by(self, seconds: int) -> None:
        """Put the embedded chain's clock forward."""
        if self.session.chain.node is None:
            raise IntegrityError("this walks on the embedded chain only")
        self.session.chain.node.warp(seconds)

    def publish(self, custodian: str, document: bytes) -> Published:
        """Publish a FHIR resource of the child's."""
        description = Said().describe(examine(document, fhir.MEDIA_TYPE))
        return self.session.publishing.publish(
            document,
            custodian=self.people[custodian],
            patient=self.people["child"].address,
            description=description,
        )

    def accredit(self, name: str, kind: AccreditationKind) -> None:
        """Have the founding member of this chain's consortium accredit somebody, for a year."""
        member = self.session.chain.development_member()
        account, until = self.people[name].address, self.now + 365 * DAY
        self.session.ledger.accreditation.accredit(member, account, kind, until)

    def newest(self, custodian: str) -> RecordEntry:
        """Return the record that a custodian registered last."""
        entries = self.session.auditing.records(self.people["child"].address)
        return [each for each in entries if each.custodian == self.people[custodian].address][-1]

    def reads(self, name: str, record: RecordEntry, purpose: PurposeOfUse = PurposeOfUse.TREAT) -> None:
        """Open a record, whole and verified."""
        opened = self.session.retrieving.open(record.ref, reader=self.people[name], purpose=purpose)
        size = sum(len(chunk) for chunk in opened.stream())
        check(size == opened.manifest.size, "every byte was verified")
        say(f"{name} reads a record of {size} bytes: {opened.decision.explain().split(' (as of')[0]}")

    def denied(self, name: str, record: RecordEntry, purpose: PurposeOfUse = PurposeOfUse.TREAT) -> None:
        """See that a record does not open."""
        try:
            self.session.retrieving.open(record.ref, reader=self.people[name], purpose=purpose)
        except AccessDeniedError as error:
            say(f"{name}: {str(error).split(' (as of')[0]}")
            return
        raise IntegrityError(f"{name} opened what he may not")

    def refused(self, act: Callable[[], object]) -> None:
        """See that the contract's rules refuse something."""
        try:
            act()
        except RejectedError as error:
            say(f"refused: {error}")
            return
        raise IntegrityError("something was done that may not be")

    def name_of(self, account: str) -> str:
        """Return a person's name."""
        return next((name for name, actor in self.people.items() if actor.address == account), account)


def settle(session: Session) -> Town:
    """Make the people, with coins and published encryption keys."""
    passphrase = secrets.token_urlsafe(18)
    people = {name: session.keyring.create(name, passphrase) for name in PEOPLE}
    for actor in people.values():
        session.chain.fund(actor.address)
        session.ledger.directory.set_encryption_key(actor.signer, actor.identity.recipient.key)
    say(f"The people: {', '.join(people)}")
    town = Town(session=session, people=people)
    for hospital in ("city_hospital", "lake_hospital"):
        town.accredit(hospital, AccreditationKind.CUSTODIAN)
    return town


def _examples(beginning: int = 0) -> list[bytes]:
    """Return four of the FHIR R4 examples that come with medshare."""
    return [document for _, document in example_records()][beginning : beginning + 4]


def check(held: bool, what: str) -> None:  # noqa: FBT001 - a claim and its name
    """Raise ``IntegrityError`` where something is not as it was told."""
    if not held:
        raise IntegrityError(f"it is not so: {what}")


def title(text: str) -> None:
    """Begin a step."""
    say("")
    say(text)


def say(text: str) -> None:
    """Tell what happens."""
    print(text)


if __name__ == "__main__":
    sys.exit(main())
