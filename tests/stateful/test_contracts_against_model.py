"""The contracts and the pure model, side by side (README.md beside this file has the invariants in words)

given any story of verbs, direct and signed, alone and in batches, of callers, signers, arguments and times
    contract and model answer each call alike, and agree on everything that can be asked, after each step
    nothing happens but by the word of who may say it: patients, who took over for them, delegates, clinicians
    what is revoked is dead for every purpose and second to come
    tokens and events tell the same story
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pytest
from evm import ZERO_ADDRESS, RefusedError
from evm import pack_grant as grant_word
from hypothesis import note
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, initialize, precondition, rule
from letters import FORGERIES, MISCOUNTS, approve, write
from people import DETAILS, LONGEST, NOTE
from people import pack_delegation as delegation_word
from stage import (
    ACCREDITOR,
    ACTORS,
    ANNA,
    BATCHES,
    BEN,
    BUNDLES,
    CIRCLES,
    CLINICIANS,
    DELEGATES,
    DOCTOR,
    ENCRYPTION_KEYS,
    END_OF_TIME,
    GRANT_IDS,
    HOSPITAL,
    NAMES,
    NEW_KEY,
    OFTEN_USED_IDS,
    PARENT,
    PATIENTS,
    PURPOSES,
    RECORDS,
    REVIEWER,
    START,
    TERMS,
)
from story import Story

from medshare.model.accreditation import Accreditation, AccreditationKind
from medshare.model.consent import Grant, GrantRequest
from medshare.model.delegation import DAY, NO_CIRCLE, Control, Delegation, DelegationRequest, Guardianship, Verbs
from medshare.model.eip712 import field_name
from medshare.model.emergency import EpisodeRequest, Verdict
from medshare.model.ids import GrantId, derive_episode_id, derive_grant_id, patient_of
from medshare.model.purpose import Purpose
from medshare.model.record import RecordEntry, RecordStatus
from medshare.model.typed_data import (
    SIGNABLES,
    SignableAppoint,
    SignableDismiss,
    SignableGrant,
    SignableRecover,
    SignableRetract,
    SignableRevoke,
    SignableWithdraw,
)

ZERO = bytes(32)
ALWAYS = 2**40 - 1
SIGNED = tuple(kind for kind in SIGNABLES.values() if kind not in (SignableRecover, SignableWithdraw))
CONSENTS = tuple(kind for kind in SIGNED if kind.contract == "ConsentRegistry")
TREAT, HRESCH, BOTH, HIGHEST = PURPOSES

actors = st.sampled_from(ACTORS)
patients = st.sampled_from(PATIENTS)
bundles = st.sampled_from(BUNDLES)
terms_digests = st.sampled_from(TERMS)
begins = st.sampled_from([-START, 0, 0, 1, 7, DAY])
lengths = st.sampled_from([1, 40, 600, 2 * DAY, 20 * DAY])
scopes = st.sampled_from([(Verbs(3), BOTH), (Verbs(3), TREAT), (Verbs.GRANT, BOTH), (Verbs.REVOKE, Purpose(0))])
bad_scopes = st.sampled_from(
    [(Verbs(0), Purpose(0)), (Verbs.GRANT, Purpose(0)), (Verbs.REVOKE, TREAT), (Verbs(4), TREAT)]
)
circles = st.sampled_from((*CIRCLES, *CIRCLES, None))
delays = st.sampled_from([DAY, DAY, 3 * DAY, 90 * DAY])


def faults(*kinds):
    """Return at most one thing that is wrong, and most often none."""
    return st.sampled_from([*[None] * (3 * len(kinds)), *kinds])


class ContractsAgainstModel(Story):
    """Every verb by anybody, on both."""

    letters = Bundle("letters")

    # ------------------------------------------------------------------------------------------ the beginning

    @initialize(
        stamp=st.sampled_from([0, 0, 252]),
        epoch=st.sampled_from([0, 0, 252]),
        tenure=st.sampled_from([0, 0, 253]),
        version=st.sampled_from([0, 65533]),
    )
    def begin_near_zero_or_near_the_ends(self, stamp, epoch, tenure, version):
        """Counts reach their ends in a few steps, not in hundreds; and people have begun to know each other."""
        note(f"begin at stamp {stamp}, epoch {epoch}, tenure {tenure}, version {version}")
        model = self.model
        if stamp:
            model.stamps[ANNA] = stamp
        if epoch:
            grant_id = derive_grant_id(ANNA, DOCTOR, TERMS[0])
            model.grants[grant_id] = Grant(
                grant_id=grant_id,
                grantee=DOCTOR,
                not_before=START,
                expires_at=START + 5_000,
                purposes=Purpose.TREAT,
                stamp=stamp,
                epoch=epoch,
            )
        if tenure:
            model.controls[BEN] = Control(controller=NEW_KEY, tenure=tenure)
        if version:
            model.records[HOSPITAL, RECORDS[0]] = RecordEntry(
                record_id=RECORDS[0],
                custodian=HOSPITAL,
                patient=ANNA,
                registered_at=START,
                ended_at=0,
                version=version,
                status=RecordStatus.ACTIVE,
            )
        model.delegations[ANNA, PARENT] = Delegation(
            patient=ANNA,
            delegate=PARENT,
            verbs=Verbs.GRANT | Verbs.REVOKE,
            purposes=PURPOSES[2],
            not_before=START,
            expires_at=START + 30 * DAY,
            stamp=stamp,
            epoch=epoch + 1,
        )
        for patient in PATIENTS:
            model.guardianships[patient] = Guardianship(circle=CIRCLES[0].digest(patient), delay=DAY)
        for actor, kind in (
            (DOCTOR, AccreditationKind.CLINICIAN),
            (REVIEWER, AccreditationKind.REVIEWER),
            (HOSPITAL, AccreditationKind.CUSTODIAN),
        ):
            model.accreditations[actor, kind] = Accreditation(valid_until=ALWAYS, seat=1)
        self.begin_with()

    # ------------------------------------------------------------------------------------------ who, and when

    def controller(self, patient):
        return self.model.controller_of(patient).controller

    def delegate(self, patient, verb):
        """Return a delegate who may do this now, if there is one."""
        before = self.before()
        return next((each for each in DELEGATES if before.mandate(patient, each, verb)), None)

    def actor(self, patient, by, verb=Verbs.GRANT):
        """Return who is meant: a part that somebody plays for the patient, or somebody by name."""
        match by:
            case "patient":
                return patient
            case "controller":
                return self.controller(patient)
            case "delegate":
                return self.delegate(patient, verb) or self.controller(patient)
        return by

    def period(self, patient, actor, begin, length, fault=None):
        """Return the first second and the first one after; a delegate's is over when his appointment is."""
        begin = max(self.now + begin, 0)
        end = max(begin, self.now) + length
        if actor not in (patient, self.controller(patient)):
            end = min(end, self.model.delegation(patient, actor).expires_at or end)
        ends = {"empty": max(begin, self.now), "longer": end + 30 * DAY, "for ever": END_OF_TIME}
        return begin, ends.get(fault, end)

    # ------------------------------------------------------------------------------------------ keys and records

    @rule(caller=actors, key=st.sampled_from((*ENCRYPTION_KEYS, *ENCRYPTION_KEYS, ZERO)))
    def set_encryption_key(self, caller, key):
        verb = partial(self.model.set_encryption_key, caller, key)
        self.both("Consortium", caller, ("setEncryptionKey", key), verb, caller)

    def fresh(self, custodian):
        """Return a record id that the custodian has not used, while there is one."""
        return next((each for each in RECORDS if (custodian, each) not in self.model.records), RECORDS[0])

    def newest(self, custodian):
        """Return a record of the custodian's, the one in force if there is one."""
        own = [entry for entry in self.model.records.values() if entry.custodian == custodian]
        own.sort(key=lambda entry: (entry.status is RecordStatus.ACTIVE, entry.version))
        return own[-1].record_id if own else RECORDS[0]

    @rule(
        caller=st.sampled_from([HOSPITAL, HOSPITAL, DOCTOR]), patient=patients, fault=faults("id", "patient", "twice")
    )
    def register(self, caller, patient, fault):
        record_id = {"id": ZERO, "twice": self.newest(caller)}.get(fault, self.fresh(caller))
        patient = ZERO_ADDRESS if fault == "patient" else patient
        verb = partial(self.model.register, caller, record_id, patient)
        self.both("RecordRegistry", caller, ("register", record_id, patient), verb, caller)

    @rule(
        caller=st.sampled_from([HOSPITAL, HOSPITAL, HOSPITAL, DOCTOR]),
        batch=st.sampled_from(BATCHES),
        fault=faults("root", "none", "many"),
    )
    def anchor_batch(self, caller, batch, fault):
        root = ZERO if fault == "root" else batch.root
        count = {"none": 0, "many": 1_000_001}.get(fault, batch.count)
        verb = partial(self.model.anchor_batch, caller, root, BUNDLES[0], count)
        self.both("RecordRegistry", caller, ("anchorBatch", root, BUNDLES[0], count), verb, caller)

    @rule(
        sender=actors,
        custodian=st.sampled_from([HOSPITAL, HOSPITAL, HOSPITAL, DOCTOR]),
        data=st.data(),
        fault=faults("patient", "salt", "proof", "record"),
    )
    def register_from_batch(self, sender, custodian, data, fault):
        batches = [batch for batch in BATCHES if (custodian, batch.root) in self.model.batches] or BATCHES
        inclusion = data.draw(st.sampled_from(list(data.draw(st.sampled_from(batches)).inclusions(custodian))))
        changed = {
            "patient": {"patient": ZERO_ADDRESS},
            "salt": {"salt": ZERO},
            "record": {"record_id": ZERO},
        }.get(fault, {})
        inclusion = replace(inclusion, record=replace(inclusion.record, **changed))
        if fault == "proof":
            inclusion = replace(inclusion, proof=(*inclusion.proof, ZERO))
        record = inclusion.record
        call = (custodian, inclusion.root, record.record_id, record.patient, record.salt, list(inclusion.proof))
        verb = partial(self.model.register_from_batch, inclusion)
        self.both("RecordRegistry", sender, ("registerFromBatch", *call), verb, custodian)

    @rule(
        caller=st.sampled_from([HOSPITAL, HOSPITAL, DOCTOR]),
        which=st.sampled_from(RECORDS),
        fault=faults("id", "twice", "any"),
    )
    def supersede(self, caller, which, fault):
        record_id = {"id": ZERO, "twice": which}.get(fault, self.fresh(caller))
        previous_id = which if fault == "any" else self.newest(caller)
        verb = partial(self.model.supersede, caller, record_id, previous_id)
        self.both("RecordRegistry", caller, ("supersede", record_id, previous_id), verb, caller)

    @rule(caller=st.sampled_from([HOSPITAL, HOSPITAL, DOCTOR]), which=st.sampled_from(RECORDS), fault=faults("any"))
    def retract(self, caller, which, fault):
        record_id = which if fault == "any" else self.newest(caller)
        verb = partial(self.model.retract, caller, record_id, NOTE)
        self.both("RecordRegistry", caller, ("retract", record_id, NOTE), verb, caller)

    # --------------------------------------------------------------------------------------- granting, revoking

    @rule(
        by=st.sampled_from(["patient", "patient", "controller", "delegate", "delegate"]),
        patient=patients,
        grantee=st.sampled_from((DOCTOR, PARENT)),
        terms=terms_digests,
        bundle=bundles,
        begin=begins,
        length=lengths,
        purposes=st.sampled_from((*PURPOSES[:3], TREAT)),
        fault=faults("stranger", "nobody", "himself", "purposes", "beyond", "empty", "longer", "for ever"),
        junk=st.sampled_from([0, 0xFFFF]),
    )
    def grant(self, by, patient, grantee, terms, bundle, begin, length, purposes, fault, junk):
        caller = REVIEWER if fault == "stranger" else self.actor(patient, by)
        grantee = {"nobody": ZERO_ADDRESS, "himself": patient}.get(fault, grantee)
        purposes = {"purposes": Purpose(0), "beyond": HIGHEST | TREAT}.get(fault, purposes)
        begin, end = self.period(patient, caller, begin, length, fault)
        request = GrantRequest(
            grantee=grantee, terms=terms, bundle=bundle, not_before=begin, expires_at=end, purposes=purposes
        )
        arguments = (terms, bundle, grant_word(grantee, begin, end, purposes) | junk)
        if by == "patient" and caller == patient:
            verb = partial(self.model.grant, caller, request)
            self.both("ConsentRegistry", caller, ("grant", *arguments), verb, caller)
        else:
            verb = partial(self.model.grant_for, caller, patient, request)
            self.both("ConsentRegistry", caller, ("grantFor", patient, *arguments), verb, caller)

    @rule(
        data=st.data(),
        by=st.sampled_from(["patient", "controller", "delegate", "delegate", REVIEWER, NEW_KEY]),
        existing=st.sampled_from([True, True, False]),
    )
    def revoke(self, data, by, existing):
        ids = sorted(self.model.grants) if existing and self.model.grants else (*OFTEN_USED_IDS, *GRANT_IDS, GrantId(1))
        grant_id = data.draw(st.sampled_from(ids))
        caller = ANNA if grant_id == 1 else self.actor(patient_of(grant_id), by, Verbs.REVOKE)
        verb = partial(self.model.revoke, caller, grant_id)
        passed = self.both("ConsentRegistry", caller, ("revoke", grant_id), verb, caller)
        assert passed or grant_id == 1 or by not in ("patient", "controller"), "I2: never refused to them"

    @rule(by=st.sampled_from(["controller", PARENT, *PATIENTS]), patient=patients)
    def revoke_all(self, by, patient):
        caller = self.actor(patient, by)
        verb = partial(self.model.revoke_all, caller, patient)
        passed = self.both("ConsentRegistry", caller, ("revokeAll", patient), verb, caller)
        assert passed == (caller == self.controller(patient)), "I2: never refused to the one in control"

    # ------------------------------------------------------------------------------------- delegates, guardians

    @rule(
        data=st.data(),
        patient=patients,
        delegate=st.sampled_from(DELEGATES),
        begin=begins,
        length=lengths,
        scope=scopes,
        fault=faults("stranger", "patient", "controller", "nobody", "scope", "empty", "for ever"),
    )
    def appoint(self, data, patient, delegate, begin, length, scope, fault):
        caller = PARENT if fault == "stranger" else self.controller(patient)
        strange = {"patient": patient, "controller": self.controller(patient), "nobody": ZERO_ADDRESS}
        delegate = strange.get(fault, delegate)
        verbs, purposes = data.draw(bad_scopes) if fault == "scope" else scope
        begin, end = self.period(patient, patient, begin, length, fault)
        request = DelegationRequest(delegate=delegate, verbs=verbs, purposes=purposes, not_before=begin, expires_at=end)
        word = delegation_word(begin, end, purposes, verbs, stamp=0xFF, epoch=0xFF)
        verb = partial(self.model.appoint, caller, patient, request)
        self.both("ConsentRegistry", caller, ("appoint", patient, delegate, word), verb, caller)

    @rule(
        by=st.sampled_from(["controller", "himself", REVIEWER]), patient=patients, delegate=st.sampled_from(DELEGATES)
    )
    def dismiss(self, by, patient, delegate):
        caller = delegate if by == "himself" else self.actor(patient, by)
        verb = partial(self.model.dismiss, caller, patient, delegate)
        passed = self.both("ConsentRegistry", caller, ("dismiss", patient, delegate), verb, caller)
        assert passed == (caller in (delegate, self.controller(patient))), "I2: never refused to them"

    @rule(patient=patients, circle=circles, delay=delays, fault=faults("stranger", "short", "long"))
    def name_guardians(self, patient, circle, delay, fault):
        caller = PARENT if fault == "stranger" else self.controller(patient)
        delay = {"short": DAY - 1, "long": 90 * DAY + 1}.get(fault, delay)
        digest = circle.digest(patient) if circle else NO_CIRCLE
        verb = partial(self.model.name_guardians, caller, patient, digest, delay)
        self.both("ConsentRegistry", caller, ("nameGuardians", patient, digest, delay), verb, caller)

    @rule(
        sender=actors,
        patient=patients,
        controller=st.sampled_from((NEW_KEY, NEW_KEY, PARENT)),
        circle=st.sampled_from(CIRCLES),
        signed=st.sampled_from([(True, True, None), (None, True, True), (True, True, True)]),
        fault=faults("circle", "few", "attempt", "other", "deadline", "count", "patient", "nobody"),
    )
    def propose_recovery(self, sender, patient, controller, circle, signed, fault):
        standing = self.model.guardianship(patient).at(self.now)
        named = {each.digest(patient): each for each in CIRCLES}
        circle = circle if fault == "circle" else named.get(standing.circle, circle)
        controller = {"patient": patient, "nobody": ZERO_ADDRESS}.get(fault, controller)
        deadline = self.now if fault == "deadline" else END_OF_TIME
        message = SignableRecover(
            patient=patient, controller=controller, attempt=standing.attempt + 1, deadline=deadline
        )
        meant = replace(message, attempt=standing.attempt) if fault == "attempt" else message
        marks = [*((None,) * 2 if fault == "few" else signed)][: len(circle.guardians)]
        signatures = [
            b"" if mark is None else approve(PARENT if fault == "other" else guardian, meant)
            for guardian, mark in zip(circle.guardians, [*marks, None], strict=False)
        ]
        found = [None if not each else fault not in ("attempt", "other") for each in signatures]
        if fault == "count":
            signatures, found = [*signatures, b""], [*found, None]
        fields = (list(circle.guardians), circle.threshold, circle.salt)
        verb = partial(self.model.propose_recovery, patient, controller, circle, deadline, found)
        call = ("proposeRecovery", patient, controller, fields, deadline, signatures)
        self.both("ConsentRegistry", sender, call, verb, sender)

    def is_proposed(self):
        return any(standing.ready_at for standing in self.model.guardianships.values())

    def proposed_first(self, patient):
        """Return the patient, or the other one if only for him somebody proposed a recovery."""
        waiting = [each for each in PATIENTS if self.model.guardianship(each).ready_at]
        return patient if patient in waiting or not waiting else waiting[0]

    @precondition(is_proposed)
    @rule(by=st.sampled_from(["controller", "controller", NEW_KEY, *PATIENTS]), patient=patients)
    def object_to_recovery(self, by, patient):
        caller = self.actor(patient, by)
        verb = partial(self.model.object_to_recovery, caller, patient)
        self.both("ConsentRegistry", caller, ("objectToRecovery", patient), verb, caller)

    @precondition(is_proposed)
    @rule(sender=actors, patient=patients, when=st.sampled_from([None, -1, 0, 0, 1]))
    def complete_recovery(self, sender, patient, when):
        patient = patient if when is None else self.proposed_first(patient)
        ready_at = self.model.guardianship(patient).ready_at
        if when is not None and ready_at + when > self.now:
            self.travel(ready_at + when)
        verb = partial(self.model.complete_recovery, patient)
        self.both("ConsentRegistry", sender, ("completeRecovery", patient), verb, sender)

    # -------------------------------------------------------------------------------------------- emergencies

    @rule(
        actor=st.sampled_from((*CLINICIANS, REVIEWER, ANNA)),
        kind=st.sampled_from((AccreditationKind.CLINICIAN, AccreditationKind.REVIEWER)),
        seconds=st.sampled_from([None, None, None, 0, 1, 300, DAY]),
        fault=faults("stranger", "nobody", "kind"),
    )
    def accredit(self, actor, kind, seconds, fault):
        caller = DOCTOR if fault == "stranger" else ACCREDITOR
        actor = ZERO_ADDRESS if fault == "nobody" else actor
        kind = 0 if fault == "kind" else kind
        until = ALWAYS if seconds is None else self.now + seconds if seconds else 0
        verb = partial(self.model.accredit, caller, actor, kind, until)
        self.both("Consortium", caller, ("accredit", actor, kind, until), verb, caller)

    @rule(
        caller=st.sampled_from([DOCTOR, DOCTOR, DOCTOR, PARENT]),
        patient=patients,
        reason=st.sampled_from([1, 2, 3, 4]),
        duration=st.sampled_from([60, 600, LONGEST]),
        fault=faults("stranger", "himself", "nobody", "no reason", "reason", "short", "long"),
    )
    def break_glass(self, caller, patient, reason, duration, fault):
        caller = ANNA if fault == "stranger" else caller
        patient = {"himself": caller, "nobody": ZERO_ADDRESS}.get(fault, patient)
        reason = {"no reason": 0, "reason": 5}.get(fault, reason)
        duration = {"short": 59, "long": LONGEST + 1}.get(fault, duration)
        request = EpisodeRequest(patient=patient, reason=reason, details=DETAILS, duration=duration)
        verb = partial(self.model.break_glass, caller, request)
        call = ("breakGlass", patient, reason, DETAILS, duration)
        self.both("EmergencyAccess", caller, call, verb, caller)

    def episode(self, data, of=lambda _: True):
        """Return one of these episodes, or of all, or one that there is not."""
        known = sorted(self.model.episodes)
        chosen = [each for each in known if of(self.model.episodes[each])] or known
        return data.draw(st.sampled_from(chosen)) if chosen else derive_episode_id(DOCTOR, 7)

    def lasts(self, episode):
        return self.now < episode.ends_at

    @precondition(lambda self: self.model.episodes)
    @rule(data=st.data(), by=st.sampled_from(["controller", "clinician", "patient", REVIEWER]), fault=faults("none"))
    def end_episode(self, data, by, fault):
        episode_id = derive_episode_id(DOCTOR, 7) if fault else self.episode(data, self.lasts)
        known = self.model.episodes.get(episode_id)
        caller = ANNA
        if known is not None:
            caller = known.clinician if by == "clinician" else self.actor(known.patient, by)
        verb = partial(self.model.end_episode, caller, episode_id)
        self.both("EmergencyAccess", caller, ("end", episode_id), verb, caller)

    @precondition(lambda self: self.model.episodes)
    @rule(data=st.data(), caller=actors, bundle=bundles, fault=faults("none"))
    def release(self, data, caller, bundle, fault):
        episode_id = derive_episode_id(DOCTOR, 7) if fault else self.episode(data, self.lasts)
        verb = partial(self.model.release, caller, episode_id, bundle)
        self.both("EmergencyAccess", caller, ("release", episode_id, bundle), verb, caller)

    @precondition(lambda self: self.model.episodes)
    @rule(
        data=st.data(),
        verdict=st.sampled_from([Verdict.JUSTIFIED, Verdict.UNJUSTIFIED]),
        by=st.sampled_from([REVIEWER, REVIEWER, REVIEWER, *ACTORS]),
        fault=faults("none", "verdict"),
    )
    def review(self, data, verdict, by, fault):
        waits = self.episode(data, lambda episode: episode.verdict is Verdict.NONE)
        episode_id = derive_episode_id(DOCTOR, 7) if fault == "none" else waits
        verdict = Verdict.NONE if fault == "verdict" else verdict
        verb = partial(self.model.review, by, episode_id, verdict, NOTE)
        self.both("EmergencyAccess", by, ("review", episode_id, verdict, NOTE), verb, by)

    @rule(patient=patients, barred=st.sampled_from([False, False, True]), fault=faults("stranger"))
    def set_bar(self, patient, barred, fault):
        caller = DOCTOR if fault else self.controller(patient)
        verb = partial(self.model.set_bar, caller, patient, barred=barred)
        self.both("EmergencyAccess", caller, ("setBar", patient, barred), verb, caller)

    # ------------------------------------------------------------------------------------------- signed verbs

    @rule(
        target=letters,
        data=st.data(),
        kind=st.sampled_from((*CONSENTS, *SIGNED)),
        by=st.sampled_from(["controller", "controller", "delegate"]),
        patient=patients,
        fault=faults(*FORGERIES, *MISCOUNTS, "late", "author", "wish"),
        other=actors,
        seconds=st.sampled_from([None, None, None, 40, DAY]),
        sender=st.sampled_from([*ACTORS, None, None]),
    )
    def sign(self, data, kind, by, patient, fault, other, seconds, sender):
        """Somebody signs something, most often what he may, and perhaps it is sent at once."""
        signer = other if fault == "author" else self.signer(kind, by, patient)
        delegate = signer if kind is SignableDismiss and by == "delegate" else data.draw(st.sampled_from(DELEGATES))
        known = {
            "patient": patient,
            "grantee": data.draw(st.sampled_from((DOCTOR, PARENT))),
            "delegate": delegate,
            "terms": data.draw(terms_digests),
            "deadline": END_OF_TIME if seconds is None else self.now + seconds,
        }
        if fault == "late":
            known["deadline"] = self.now
        known |= self.counts(kind, known, signer)
        miscount(known, fault, is_patients=signer == patient)
        names = [field_name(member) for member, _ in kind.members()]
        known |= self.wishes(data, kind, patient, signer, fault)
        message = kind(**{name: known[name] for name in names})
        if kind.author is not None and kind.contract != "ConsentRegistry":
            signer = message.subject
        letter = write(message, signer, fault if fault in FORGERIES else None, other)
        note(f"{NAMES[signer]} signs: {letter} {fault or ''}")
        self.deadlines.add(message.deadline)
        if sender is not None:
            self.send(letter, sender)
        return letter

    def signer(self, kind, by, patient):
        if by == "controller" or kind not in (SignableGrant, SignableRevoke, SignableDismiss):
            return self.controller(patient)
        verb = Verbs.REVOKE if kind is SignableRevoke else Verbs.GRANT
        return self.actor(patient, by, verb)

    def counts(self, kind, known, signer):
        """Return what of a message the chain knows, as it stands."""
        model, patient = self.model, known["patient"]
        grant_id = derive_grant_id(patient, known["grantee"], known["terms"])
        grants_epoch = model.grants[grant_id].epoch if grant_id in model.grants else 0
        delegates_epoch = model.delegation(patient, known["delegate"]).epoch
        epoch = grants_epoch if kind in (SignableGrant, SignableRevoke) else delegates_epoch
        control = model.controller_of(patient)
        is_resigning = kind is SignableDismiss and signer == known["delegate"]
        mandate = model.delegation(patient, signer).epoch
        if signer == control.controller and not is_resigning:
            mandate = control.tenure
        return {
            "grant_id": grant_id,
            "epoch": epoch,
            "last_epoch": epoch,
            "stamp": model.stamp(patient),
            "mandate": 0 if signer == patient else mandate,
            "changes": model.guardianship(patient).changes,
            "attempt": model.guardianship(patient).attempt,
            "count": model.bar(patient).count,
            "version": model.keys[signer].version + 1 if signer in model.keys else 1,
        }

    def wishes(self, data, kind, patient, signer, fault):
        """Return what somebody wants, of those members that messages of this kind have."""
        is_wrong = fault == "wish"
        begin, end = self.period(
            patient, signer, data.draw(begins), data.draw(lengths), "for ever" if is_wrong else None
        )
        circle = data.draw(circles)
        verbs, purposes = data.draw(bad_scopes if is_wrong else scopes)
        if kind is not SignableAppoint:
            purposes = HIGHEST if is_wrong else data.draw(st.sampled_from((TREAT, TREAT, HRESCH)))
        custodian = HOSPITAL
        return {
            "not_before": begin,
            "expires_at": end,
            "verbs": verbs,
            "purposes": purposes,
            "bundle": data.draw(bundles),
            "circle": circle.digest(patient) if circle else NO_CIRCLE,
            "delay": DAY - 1 if is_wrong else data.draw(delays),
            "actor": signer,
            "key": ZERO if is_wrong else data.draw(st.sampled_from(ENCRYPTION_KEYS)),
            "custodian": custodian,
            "record_id": self.fresh(custodian) if kind is not SignableRetract else self.newest(custodian),
            "previous_id": RECORDS[-1] if is_wrong else self.newest(custodian),
            "reason": NOTE,
            "root": ZERO if is_wrong else data.draw(st.sampled_from(BATCHES)).root,
            "catalogue": BUNDLES[0],
            "records": 1,
            "episode_id": self.episode(data, lambda each: self.lasts(each) and self.controller(each.patient) == signer),
            "barred": data.draw(st.sampled_from([False, False, True])),
        }

    @rule(letter=letters, sender=actors)
    def send_again(self, letter, sender):
        """Anybody sends it, as often as he likes."""
        self.send(letter, sender)

    @rule(several=st.lists(letters, min_size=1, max_size=5), sender=actors)
    def send_together(self, several, sender):
        """In one transaction, as far as they are for one contract."""
        contract = several[0].contract
        self.together(contract, sender, [letter for letter in several if letter.contract == contract])

    # --------------------------------------------------------------------------------------------------- tokens

    @rule(
        data=st.data(),
        caller=actors,
        verb=st.sampled_from(["safeTransferFrom", "safeBatchTransferFrom", "setApprovalForAll"]),
        to=actors,
        which=st.sampled_from(["ConsentRegistry", "EmergencyAccess"]),
    )
    def move_or_approve(self, data, caller, verb, to, which):
        """I4: nobody can."""
        held = [token for token, count in self.tokens.items() if count] or [(caller, OFTEN_USED_IDS[0])]
        holder, token = data.draw(st.sampled_from(sorted(held)))
        arguments = {
            "safeTransferFrom": (holder, to, token, 1, b""),
            "safeBatchTransferFrom": (holder, to, [token], [1], b""),
            "setApprovalForAll": (to, True),
        }[verb]
        with pytest.raises(RefusedError) as refused:
            self.stage.contracts[which].do(caller, self.now, verb, *arguments)
        assert refused.value.args == ("AccessTokenNotTransferable",)

    # --------------------------------------------------------------------------------------------------- time

    @rule(seconds=st.sampled_from([1, 1, 13, 60, 3_600, DAY]))
    def wait(self, seconds):
        self.travel(self.now + seconds)

    @precondition(lambda self: self.moments())
    @rule(data=st.data())
    def wait_for_a_moment(self, data):
        """To the second in which something begins, ends or is due, the one before or the one after."""
        moments = self.moments()
        self.travel(data.draw(st.sampled_from(moments[:12])))


def miscount(known, fault, *, is_patients):
    """Change a count that is going to be signed."""
    shift = {"later": 1, "earlier": -1}.get(fault, 0)
    for name, last in (
        ("epoch", 255),
        ("last_epoch", 255),
        ("count", 9),
        ("attempt", 9),
        ("changes", 9),
        ("version", 9),
    ):
        known[name] = min(max(known[name] + shift, 0), last)
    known["stamp"] = min(known["stamp"] + (fault == "stamp"), 255)
    if not is_patients:  # who signs for himself names no mandate
        known["mandate"] = min(known["mandate"] + (fault == "mandate"), 255)


TestContractsAgainstModel = ContractsAgainstModel.TestCase
TestContractsAgainstModel.pytestmark = [pytest.mark.stateful, pytest.mark.timeout(4 * 3600)]
