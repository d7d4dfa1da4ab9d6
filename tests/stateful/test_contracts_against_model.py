"""The contracts and the pure model, side by side (README.md beside this file has the invariants in words)

given any story of verbs, direct and signed, alone and in batches, of callers, signers, arguments and times
    contract and model answer each call alike, and agree on everything that can be asked, after each step
    nothing happens but by the word of who may say it: patients, who took over for them, delegates, clinicians
    what is revoked is dead for every purpose and second to come
    tokens and events tell the same story
"""

from __future__ import annotations

from functools import partial

import pytest
from evm import ZERO_ADDRESS, RefusedError
from hypothesis import note
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, initialize, precondition, rule
from letters import FORGERIES, Letter, approve, write
from people import DETAILS, LONGEST, NOTE
from people import pack_delegation as delegation_word
from evm import pack_grant as grant_word
from stage import (
    ACCREDITOR,
    ACTORS,
    ANNA,
    BEN,
    BUNDLES,
    CIRCLES,
    CLINICIANS,
    DELEGATES,
    DOCTOR,
    ENCRYPTION_KEYS,
    END_OF_TIME,
    GRANT_IDS,
    GRANTEES,
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
from story import Story, relaying

from medshare.model.consent import Grant, GrantRequest
from medshare.model.delegation import DAY, NO_CIRCLE, Control, Delegation, DelegationRequest, Guardianship, Verbs
from medshare.model.eip712 import field_name
from medshare.model.emergency import AccreditationKind, EpisodeRequest, Verdict
from medshare.model.ids import GrantId, derive_episode_id, derive_grant_id, patient_of
from medshare.model.purpose import Purpose
from medshare.model.record import RecordEntry, RecordStatus
from medshare.model.typed_data import SIGNABLES, SignableDismiss, SignableGrant, SignableRecover, SignableRevoke

ZERO = bytes(32)
ALWAYS = 2**40 - 1
ENTITLED = "who may"
SIGNED = tuple(kind for kind in SIGNABLES.values() if kind is not SignableRecover)
CONSENTS = tuple(kind for kind in SIGNED if kind.contract == "ConsentRegistry")
FLAWS = ("later", "earlier", "stamp", "mandate", "late")

anybody = st.sampled_from((*[ENTITLED] * len(ACTORS), *ACTORS))
actors = st.sampled_from(ACTORS)
patients = st.sampled_from(PATIENTS)
record_ids = st.sampled_from((*RECORDS, *RECORDS, ZERO))
grantees = st.sampled_from((DOCTOR, DOCTOR, PARENT, PARENT, BEN, ANNA, ZERO_ADDRESS))
delegates = st.sampled_from((*DELEGATES, *DELEGATES, DOCTOR, ANNA, BEN, ZERO_ADDRESS))
begins = st.sampled_from([-START, -1, 0, 0, 0, 1, 7, DAY])
lengths = st.sampled_from([0, 1, 40, 40, 600, 600, 2 * DAY, 40 * DAY, "his", "longer", "for ever"])
purposes = st.sampled_from((*PURPOSES[:3], *PURPOSES, Purpose(0)))
scopes = st.sampled_from(
    [(Verbs(3), PURPOSES[2]), (Verbs(3), PURPOSES[0]), (Verbs.GRANT, PURPOSES[1]), (Verbs.REVOKE, Purpose(0))] * 2
    + [(Verbs(0), Purpose(0)), (Verbs.GRANT, Purpose(0)), (Verbs.REVOKE, PURPOSES[0]), (Verbs(4), Purpose(0))]
)
circles = st.sampled_from((*CIRCLES, *CIRCLES, None))
delays = st.sampled_from([DAY, DAY, DAY, 3 * DAY, 90 * DAY, DAY - 1, 90 * DAY + 1])


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
        model.accredited[DOCTOR, AccreditationKind.CLINICIAN] = ALWAYS
        model.accredited[REVIEWER, AccreditationKind.REVIEWER] = ALWAYS
        self.begin_with()

    def one(self, drawn, entitled):
        """Return who was drawn, or who may."""
        return entitled if drawn == ENTITLED else drawn

    def controller(self, patient):
        return self.model.controller_of(patient).controller

    # ------------------------------------------------------------------------------------------ keys and records

    @rule(caller=actors, key=st.sampled_from((*ENCRYPTION_KEYS, ZERO)))
    def set_encryption_key(self, caller, key):
        verb = partial(self.model.set_encryption_key, caller, key)
        self.both("Directory", caller, ("setEncryptionKey", key), verb, caller)

    @rule(by=anybody, record_id=record_ids, patient=st.sampled_from((*PATIENTS, ZERO_ADDRESS)))
    def register(self, by, record_id, patient):
        caller = self.one(by, HOSPITAL)
        verb = partial(self.model.register, caller, record_id, patient)
        self.both("RecordRegistry", caller, ("register", record_id, patient), verb, caller)

    @rule(by=anybody, record_id=record_ids, previous_id=record_ids)
    def supersede(self, by, record_id, previous_id):
        caller = self.one(by, HOSPITAL)
        verb = partial(self.model.supersede, caller, record_id, previous_id)
        self.both("RecordRegistry", caller, ("supersede", record_id, previous_id), verb, caller)

    @rule(by=anybody, record_id=record_ids, reason=st.sampled_from([ZERO, NOTE]))
    def retract(self, by, record_id, reason):
        caller = self.one(by, HOSPITAL)
        verb = partial(self.model.retract, caller, record_id, reason)
        self.both("RecordRegistry", caller, ("retract", record_id, reason), verb, caller)

    # --------------------------------------------------------------------------------------- granting, revoking

    def period(self, patient, actor, begin, length):
        """Return first and last second; some are measured by the actor's own appointment."""
        begin = min(max(self.now + begin, 0), END_OF_TIME)
        if isinstance(length, int):
            return begin, min(max(begin, self.now) + length, END_OF_TIME)
        his = self.model.delegation(patient, actor).expires_at or self.now + DAY
        return begin, {"his": his, "longer": his + 1, "for ever": END_OF_TIME}[length]

    @rule(
        by=st.sampled_from(["patient", "patient", "controller", PARENT, PARENT, *ACTORS]),
        patient=patients,
        grantee=grantees,
        terms=st.sampled_from(TERMS),
        bundle=st.sampled_from(BUNDLES),
        begin=begins,
        length=lengths,
        purposes=purposes,
        junk=st.sampled_from([0, 0xFFFF]),
    )
    def grant(self, by, patient, grantee, terms, bundle, begin, length, purposes, junk):
        caller = {"patient": patient, "controller": self.controller(patient)}.get(by, by)
        begin, end = self.period(patient, caller, begin, length)
        request = GrantRequest(
            grantee=grantee, terms=terms, bundle=bundle, not_before=begin, expires_at=end, purposes=purposes
        )
        arguments = (terms, bundle, grant_word(grantee, begin, end, purposes) | junk)
        if by == "patient":
            verb = partial(self.model.grant, caller, request)
            self.both("ConsentRegistry", caller, ("grant", *arguments), verb, caller)
        elif caller != patient:
            verb = partial(self.model.grant_for, caller, patient, request)
            self.both("ConsentRegistry", caller, ("grantFor", patient, *arguments), verb, caller)

    @rule(data=st.data(), by=st.sampled_from(["patient", "controller", PARENT, *ACTORS]), existing=st.booleans())
    def revoke(self, data, by, existing):
        ids = sorted(self.model.grants) if existing and self.model.grants else (*OFTEN_USED_IDS, *GRANT_IDS, GrantId(1))
        grant_id = data.draw(st.sampled_from(ids))
        patient = patient_of(grant_id)
        caller = {"patient": patient, "controller": self.controller(patient)}.get(by, by)
        if caller == ZERO_ADDRESS:
            return
        verb = partial(self.model.revoke, caller, grant_id)
        passed = self.both("ConsentRegistry", caller, ("revoke", grant_id), verb, caller)
        assert passed or by not in ("patient", "controller"), "I2: never refused to the patient"

    @rule(by=st.sampled_from([ENTITLED, *ACTORS]), patient=patients)
    def revoke_all(self, by, patient):
        caller = self.one(by, self.controller(patient))
        verb = partial(self.model.revoke_all, caller, patient)
        passed = self.both("ConsentRegistry", caller, ("revokeAll", patient), verb, caller)
        assert passed == (caller == self.controller(patient)), "I2: never refused to the one in control"

    # ------------------------------------------------------------------------------------- delegates, guardians

    @rule(by=anybody, patient=patients, delegate=delegates, begin=begins, length=lengths, scope=scopes)
    def appoint(self, by, patient, delegate, begin, length, scope):
        caller = self.one(by, self.controller(patient))
        begin, end = self.period(patient, delegate, begin, length)
        verbs, purposes = scope
        request = DelegationRequest(delegate=delegate, verbs=verbs, purposes=purposes, not_before=begin, expires_at=end)
        word = delegation_word(begin, end, purposes, verbs, stamp=0xFF, epoch=0xFF)
        verb = partial(self.model.appoint, caller, patient, request)
        self.both("ConsentRegistry", caller, ("appoint", patient, delegate, word), verb, caller)

    @rule(by=st.sampled_from(["controller", "delegate", *ACTORS]), patient=patients, delegate=delegates)
    def dismiss(self, by, patient, delegate):
        caller = {"controller": self.controller(patient), "delegate": delegate}.get(by, by)
        if caller == ZERO_ADDRESS:
            return
        verb = partial(self.model.dismiss, caller, patient, delegate)
        passed = self.both("ConsentRegistry", caller, ("dismiss", patient, delegate), verb, caller)
        assert passed or by not in ("controller", "delegate"), "I2: never refused to them"

    @rule(by=anybody, patient=patients, circle=circles, delay=delays)
    def name_guardians(self, by, patient, circle, delay):
        caller = self.one(by, self.controller(patient))
        digest = circle.digest(patient) if circle else NO_CIRCLE
        verb = partial(self.model.name_guardians, caller, patient, digest, delay)
        self.both("ConsentRegistry", caller, ("nameGuardians", patient, digest, delay), verb, caller)

    @rule(
        sender=actors,
        patient=patients,
        controller=st.sampled_from((NEW_KEY, NEW_KEY, PARENT, DOCTOR, *PATIENTS, ZERO_ADDRESS)),
        circle=st.sampled_from([ENTITLED, ENTITLED, ENTITLED, *CIRCLES]),
        marks=st.lists(st.sampled_from(["good", "good", "good", "none", "other attempt", "other"]), min_size=3, max_size=3),
        deadline=st.sampled_from([END_OF_TIME, END_OF_TIME, END_OF_TIME, 0]),
        miscounted=st.sampled_from([False] * 5 + [True]),
    )
    def propose_recovery(self, sender, patient, controller, circle, marks, deadline, miscounted):
        standing = self.model.guardianship(patient).at(self.now)
        named = {each.digest(patient): each for each in CIRCLES}
        circle = named.get(standing.circle, CIRCLES[0]) if circle == ENTITLED else circle
        deadline = deadline or self.now
        message = SignableRecover(
            patient=patient, controller=controller, attempt=standing.attempt + 1, deadline=deadline
        )
        earlier = SignableRecover(patient=patient, controller=controller, attempt=standing.attempt, deadline=deadline)
        signatures, found = [], []
        for guardian, mark in zip(circle.guardians, marks, strict=False):
            by = circle.guardians[guardian == circle.guardians[0]] if mark == "other" else guardian
            signed = approve(by, earlier if mark == "other attempt" else message)
            signatures.append(b"" if mark == "none" else signed)
            found.append(None if mark == "none" else mark == "good")
        if miscounted:
            signatures.append(b"")
            found.append(None)
        fields = (list(circle.guardians), circle.threshold, circle.salt)
        verb = partial(self.model.propose_recovery, patient, controller, circle, deadline, found)
        call = ("proposeRecovery", patient, controller, fields, deadline, signatures)
        self.both("ConsentRegistry", sender, call, verb, sender)

    @rule(by=anybody, patient=patients)
    def object_to_recovery(self, by, patient):
        caller = self.one(by, self.controller(patient))
        verb = partial(self.model.object_to_recovery, caller, patient)
        self.both("ConsentRegistry", caller, ("objectToRecovery", patient), verb, caller)

    @rule(sender=actors, patient=patients, when=st.sampled_from([None, -1, 0, 0, 1]))
    def complete_recovery(self, sender, patient, when):
        ready_at = self.model.guardianship(patient).ready_at
        if when is not None and ready_at and ready_at + when > self.now:
            self.travel(ready_at + when)
        verb = partial(self.model.complete_recovery, patient)
        self.both("ConsentRegistry", sender, ("completeRecovery", patient), verb, sender)

    # -------------------------------------------------------------------------------------------- emergencies

    @rule(
        by=anybody,
        actor=st.sampled_from((*CLINICIANS, REVIEWER, REVIEWER, ANNA, ZERO_ADDRESS)),
        kind=st.sampled_from([*AccreditationKind] * 3 + [0]),
        seconds=st.sampled_from([None, None, None, -START, 0, 1, 300, DAY]),
    )
    def accredit(self, by, actor, kind, seconds):
        caller = self.one(by, ACCREDITOR)
        until = ALWAYS if seconds is None else max(self.now + seconds, 0) if seconds != -START else 0
        verb = partial(self.model.accredit, caller, actor, kind, until)
        self.both("SoleAccreditor", caller, ("accredit", actor, kind, until), verb, caller)

    @rule(
        by=st.sampled_from([DOCTOR, DOCTOR, DOCTOR, PARENT, ANNA]),
        patient=st.sampled_from((*PATIENTS, *PATIENTS, DOCTOR, ZERO_ADDRESS)),
        reason=st.sampled_from([1, 2, 3, 4, 1, 2, 3, 4, 0, 5]),
        duration=st.sampled_from([60, 61, 600, LONGEST, 600, LONGEST, 59, LONGEST + 1]),
    )
    def break_glass(self, by, patient, reason, duration):
        request = EpisodeRequest(patient=patient, reason=reason, details=DETAILS, duration=duration)
        verb = partial(self.model.break_glass, by, request)
        self.both("EmergencyAccess", by, ("breakGlass", patient, reason, DETAILS, duration), verb, by)

    def episode(self, data, which):
        """Return an episode that there is, or one that there is not."""
        known = sorted(self.model.episodes)
        return data.draw(st.sampled_from(known)) if known and which else derive_episode_id(DOCTOR, 7)

    @rule(data=st.data(), which=st.sampled_from([1, 1, 1, 0]), by=st.sampled_from(["patient", "clinician", *ACTORS]))
    def end_episode(self, data, which, by):
        episode_id = self.episode(data, which)
        known = self.model.episodes.get(episode_id)
        parties = {"patient": self.controller(known.patient), "clinician": known.clinician} if known else {}
        caller = parties.get(by, by if by in ACTORS else ANNA)
        verb = partial(self.model.end_episode, caller, episode_id)
        self.both("EmergencyAccess", caller, ("end", episode_id), verb, caller)

    @precondition(lambda self: self.model.episodes)
    @rule(data=st.data(), which=st.sampled_from([1, 1, 1, 0]), by=anybody, bundle=st.sampled_from(BUNDLES))
    def release(self, data, which, by, bundle):
        caller, episode_id = self.one(by, HOSPITAL), self.episode(data, which)
        verb = partial(self.model.release, caller, episode_id, bundle)
        self.both("EmergencyAccess", caller, ("release", episode_id, bundle), verb, caller)

    @precondition(lambda self: self.model.episodes)
    @rule(data=st.data(), which=st.sampled_from([1, 1, 1, 1, 0]), by=anybody, verdict=st.sampled_from([1, 2, 2, 0]))
    def review(self, data, which, by, verdict):
        caller, episode_id = self.one(by, REVIEWER), self.episode(data, which)
        verb = partial(self.model.review, caller, episode_id, Verdict(verdict), NOTE)
        self.both("EmergencyAccess", caller, ("review", episode_id, verdict, NOTE), verb, caller)

    @rule(by=anybody, patient=patients, barred=st.sampled_from([False, False, True]))
    def set_bar(self, by, patient, barred):
        caller = self.one(by, self.controller(patient))
        verb = partial(self.model.set_bar, caller, patient, barred=barred)
        self.both("EmergencyAccess", caller, ("setBar", patient, barred), verb, caller)

    # ------------------------------------------------------------------------------------------- signed verbs

    @rule(
        target=letters,
        data=st.data(),
        kind=st.sampled_from((*CONSENTS, *SIGNED)),
        by=st.sampled_from([ENTITLED, ENTITLED, "delegate", "delegate", *DELEGATES]),
        patient=patients,
        flaw=st.sampled_from([*[None] * 15, *FLAWS]),
        forgery=st.sampled_from([*[None] * 12, *FORGERIES]),
        other=actors,
        seconds=st.sampled_from([None, None, 1, 40, DAY]),
        sender=st.sampled_from([*ACTORS, *ACTORS, None]),
    )
    def sign(self, data, kind, by, patient, flaw, forgery, other, seconds, sender):
        """Somebody signs something, most often what he may, and perhaps it is sent at once."""
        wanted = {
            "patient": patient,
            "grantee": data.draw(grantees),
            "delegate": data.draw(delegates),
            "terms": data.draw(st.sampled_from(TERMS)),
        }
        signer = self.signer(kind, by, patient, wanted["delegate"])
        deadline = END_OF_TIME if seconds is None else self.now + seconds
        known = {**wanted, **self.counts(kind, wanted, signer), "deadline": self.now if flaw == "late" else deadline}
        self.spoil(known, flaw, is_patients=signer == patient)
        names = [field_name(member) for member, _ in kind.members()]
        known |= {name: self.wish(data, name, patient, signer) for name in names if name not in known}
        if "verbs" in names:
            known["verbs"], known["purposes"] = data.draw(scopes)
        if "expires_at" in names:
            known["not_before"], known["expires_at"] = self.period(patient, signer, data.draw(begins), data.draw(lengths))
        message = kind(**{name: known[name] for name in names})
        if kind.author is not None and kind.contract != "ConsentRegistry":
            signer = message.subject
        letter = write(message, signer, forgery, other)
        note(f"{NAMES[signer]} signs: {letter}{' ' + forgery if forgery else ''}")
        self.deadlines.add(message.deadline)
        if sender is not None:
            self.send(letter, sender)
        return letter

    def signer(self, kind, by, patient, delegate):
        if kind.contract != "ConsentRegistry" or by == ENTITLED:
            return self.controller(patient)
        if by != "delegate":
            return by
        if kind is SignableDismiss and delegate in ACTORS:
            return delegate
        verb = {SignableGrant: Verbs.GRANT, SignableRevoke: Verbs.REVOKE}.get(kind, Verbs.GRANT)
        before = self.before()
        return next((each for each in DELEGATES if before.mandate(patient, each, verb)), PARENT)

    def counts(self, kind, wanted, signer):
        """Return what of a message the chain knows, as it stands."""
        model, patient = self.model, wanted["patient"]
        grant_id = derive_grant_id(patient, wanted["grantee"], wanted["terms"])
        grants_epoch = model.grants[grant_id].epoch if grant_id in model.grants else 0
        delegates_epoch = model.delegation(patient, wanted["delegate"]).epoch
        epoch = grants_epoch if kind in (SignableGrant, SignableRevoke) else delegates_epoch
        control = model.controller_of(patient)
        is_resigning = kind is SignableDismiss and signer == wanted["delegate"]
        mandate = model.delegation(patient, signer).epoch
        if signer == control.controller and not is_resigning:
            mandate = control.tenure
        actor = HOSPITAL if kind.contract == "RecordRegistry" else signer
        return {
            "grant_id": grant_id,
            "epoch": epoch,
            "last_epoch": epoch,
            "stamp": model.stamp(patient),
            "mandate": 0 if signer == patient else mandate,
            "previous": model.guardianship(patient).named,
            "attempt": model.guardianship(patient).attempt,
            "count": model.bar(patient).count,
            "actor": actor,
            "custodian": actor,
            "version": model.keys[actor].version + 1 if actor in model.keys else 1,
        }

    def spoil(self, known, flaw, *, is_patients):
        """Change a count that is going to be signed."""
        shift = {"later": 1, "earlier": -1}.get(flaw, 0)
        for name, last in {"epoch": 255, "last_epoch": 255, "count": 2**32, "attempt": 2**32, "version": 2**32}.items():
            known[name] = min(max(known[name] + shift, 0), last)
        known["stamp"] = min(known["stamp"] + (flaw == "stamp"), 255)
        if not is_patients:  # who signs for himself names no mandate
            known["mandate"] = min(known["mandate"] + (flaw == "mandate"), 255)

    def wish(self, data, name, patient, signer):
        """Return what somebody wants, in a message's member."""
        match name:
            case "bundle" | "reason":
                return data.draw(st.sampled_from(BUNDLES))
            case "purposes":
                return data.draw(purposes)
            case "circle":
                circle = data.draw(circles)
                return circle.digest(patient) if circle else NO_CIRCLE
            case "delay":
                return data.draw(delays)
            case "key":
                return data.draw(st.sampled_from((*ENCRYPTION_KEYS, ZERO)))
            case "record_id" | "previous_id":
                return data.draw(record_ids)
            case "episode_id":
                return self.episode(data, data.draw(st.sampled_from([1, 1, 1, 0])))
            case "barred":
                return data.draw(st.booleans())
        return None

    @rule(letter=letters, sender=actors)
    def send_again(self, letter, sender):
        """Anybody sends it, as often as he likes."""
        self.send(letter, sender)

    def send(self, letter: Letter, sender):
        self.both(letter.contract, sender, letter.call, relaying(self, letter), letter.signer)

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


TestContractsAgainstModel = ContractsAgainstModel.TestCase
TestContractsAgainstModel.pytestmark = [pytest.mark.stateful, pytest.mark.timeout(4 * 3600)]
