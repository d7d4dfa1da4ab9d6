"""What is nobody else's business appears nowhere but where it was opened.

given a scenario of publishing, granting, fetching and revoking, and every byte it leaves behind
├─ when those bytes are searched for plaintext, file name, description, reason, keys and salts
│  └─ it should find none: raw, in hex, in base64, or by their plain hashes
└─ when two hospitals publish the same record of the same patient, nothing public links the two
"""

from __future__ import annotations

import base64
import hashlib
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from world import DAY, World, new_world

from medshare.errors import MedshareError
from medshare.hashing import keccak256
from medshare.model.consent import RecordRef
from medshare.model.purpose import PurposeOfUse
from medshare.model.record import Category
from medshare.services import event_codec
from medshare.services.description import Description

pytestmark = [pytest.mark.unit, pytest.mark.timeout(60)]

CANARY = b"CANARY-Mary Example, born 1980-01-01, HIV positive"
PLAINTEXT = b'{"resourceType":"Observation","note":"' + CANARY + b'"}'
NAME = "canary-mary-example-hiv.json"
REASON = "canary: entered for the wrong Mary"
DESCRIPTION = Description(
    media_type="application/fhir+json",
    category=Category.LABORATORY,
    resource_type="Observation",
    labels=("HIVCANARY",),
    clinical_date="1987-03-21",
)


def forms(secret: bytes) -> Iterator[bytes]:
    """The ways in which a secret might be written, and the hashes by which a guess at it could be tested."""
    hashed = (hashlib.sha256(secret).digest(), keccak256(secret), hashlib.blake2b(secret).digest())
    for value in (secret, *hashed):
        yield value
        yield value.hex().encode()
        yield value.hex().upper().encode()
        for offset in range(3):  # base64 of a text that begins anywhere in a longer one
            encoded = base64.b64encode(bytes(offset) + value)
            # What neighbours share a character with the value is cut off at both ends.
            yield encoded[(0, 2, 3)[offset] : (offset + len(value)) * 4 // 3]
        yield base64.b32encode(value)[: len(value) * 8 // 5].lower()


def private_bytes(identity) -> bytes:
    return identity._secret.private_bytes_raw()


class Traces:
    """Everything that a scenario leaves where others may read it."""

    def __init__(self, world: World, caplog: pytest.LogCaptureFixture) -> None:
        events = list(world.chain.events(0, world.chain.head().number))
        self.everything = {
            "chain": "\n".join(event_codec.encode(event)[1] for event in events).encode(),
            "block store": b"\n".join(world.store.blocks.values()),
            "block names": b"\n".join(str(cid).encode() + bytes(cid) for cid in world.store.blocks),
            "log": "\n".join([record.getMessage() + repr(record.__dict__) for record in caplog.records]).encode(),
        }
        for path in world.folder.rglob("*"):
            if path.is_file():
                self.everything[f"file {path.name}"] = path.read_bytes() + path.name.encode()

    def holding(self, secret: bytes) -> list[str]:
        assert len(secret) >= 8, "too short to be searched for"
        wanted = set(forms(secret))
        return [where for where, trace in self.everything.items() if any(form in trace for form in wanted)]


@pytest.fixture
def scenario(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> tuple[World, Traces, dict[str, bytes]]:
    """A whole life of a record, with what goes wrong in it."""
    caplog.set_level(logging.DEBUG)
    folder = tmp_path / "client"
    folder.mkdir()
    world = new_world(folder)
    source = tmp_path / NAME
    source.write_bytes(PLAINTEXT)

    def publish(text, **more):
        return world.publishing.publish(
            text, custodian=world.hospital, patient=world.patient.address, description=DESCRIPTION, **more
        )

    old = publish(PLAINTEXT + b" ")
    published = publish(source, supersedes=old.record_id)
    assert publish(source, supersedes=old.record_id).already
    granted = world.grant(published, expires_at=world.clock.now() + DAY)
    opened = world.open(published)
    assert b"".join(opened.stream()) == PLAINTEXT
    failures = []
    for wrong in (
        lambda: world.open(published, reader=world.stranger),
        lambda: world.open(published, purpose=PurposeOfUse.HRESCH),
        lambda: publish(tmp_path / "canary-mary-example-gone.json"),
        lambda: world.grant(published, patient=world.stranger),
    ):
        with pytest.raises(MedshareError) as caught:
            wrong()
        failures.append(f"{caught.value!r} {caught.value} {caught.value.hint}")
    world.consenting.revoke(granted.grant_id, patient=world.patient)
    salt = world.publishing.retract(published.record_id, REASON, custodian=world.hospital)
    traces = Traces(world, caplog)
    traces.everything["errors"] = "\n".join(failures).encode()
    traces.everything["repr"] = repr([opened.entry, opened.decision, published, world.hospital]).encode()
    secrets_ = {
        "plaintext": PLAINTEXT,
        "a name in the plaintext": CANARY,
        "file name": NAME.encode(),
        "stem of the file name": b"canary-mary",
        "media type": DESCRIPTION.media_type.encode(),
        "label": b"HIVCANARY",
        "clinical date": b"1987-03-21",
        "category": b"laboratory",
        "resource type": b"Observation",
        "reason": REASON.encode(),
        "salt of the reason": salt,
        "file key": bytes(opened.file_key.reveal()),
        "salt of the plaintext": opened.manifest.salt,
        "salt of the terms": granted.terms.salt,
        "terms": granted.terms.to_json(),
        "manifest": opened.manifest.to_json(),
    }
    for who in ("hospital", "patient", "doctor", "stranger"):
        secrets_[f"private key of the {who}"] = private_bytes(getattr(world, who).identity)
    return world, traces, secrets_


def test_scenario__every_trace__holds_none_of_the_secrets(scenario) -> None:
    _, traces, secrets_ = scenario
    assert {"chain", "block store", "log", "file publications.sqlite", "file index.sqlite"} <= set(traces.everything)
    assert all(len(trace) > 100 for where, trace in traces.everything.items() if "lock" not in where)
    found = {what: traces.holding(secret) for what, secret in secrets_.items()}
    assert {what: where for what, where in found.items() if where} == {}


@pytest.mark.parametrize(
    "hide",
    [
        lambda secret: secret,
        lambda secret: b"..." + secret + b"...",
        lambda secret: secret.hex().encode(),
        lambda secret: base64.b64encode(secret),
        lambda secret: base64.b64encode(b"1" + secret + b"23"),
        lambda secret: base64.b64encode(b"12" + secret),
        lambda secret: hashlib.sha256(secret).digest(),
        lambda secret: hashlib.sha256(secret).hexdigest().encode(),
        lambda secret: keccak256(secret),
        lambda secret: base64.b32encode(secret).lower(),
    ],
)
@pytest.mark.parametrize("place", ["block store", "log", "file publications.sqlite"])
def test_search__a_secret_is_there_in_some_form__is_found(scenario, place: str, hide) -> None:
    """A search that finds nothing proves nothing, unless it finds what is there."""
    _, traces, secrets_ = scenario
    for secret in secrets_.values():
        before = traces.everything[place]
        traces.everything[place] = before + hide(secret)
        assert traces.holding(secret) == [place]
        traces.everything[place] = before


def test_publications__of_the_same_record_by_two__share_nothing_public(world: World) -> None:
    """Same plaintext, same patient, same words: no id, no block and no size but the record's own is the same."""
    first = world.publish(PLAINTEXT)
    blocks = dict(world.store.blocks)
    world.store.blocks.clear()
    second = world.publishing.publish(
        PLAINTEXT,
        custodian=world.stranger,
        patient=world.patient.address,
        description=Description(media_type="application/fhir+json"),
    )
    assert first.record_id != second.record_id
    assert not set(blocks) & set(world.store.blocks)
    assert not set(blocks.values()) & set(world.store.blocks.values())


def test_grants__under_the_same_words_by_two_patients__share_nothing_public(world: World) -> None:
    one = world.grant(world.publish())
    theirs = world.publishing.publish(
        PLAINTEXT, custodian=world.hospital, patient=world.stranger.address, description=DESCRIPTION
    )
    ref = RecordRef(custodian=world.hospital.address, record_id=theirs.record_id)
    two = world.grant(patient=world.stranger, records=[ref])
    assert one.terms.digest() != two.terms.digest()
    assert one.bundle != two.bundle
    low = (1 << 96) - 1
    assert one.grant_id & low != two.grant_id & low
