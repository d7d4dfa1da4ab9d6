"""Consortium.setEncryptionKey

given an actor without a key
    when he publishes one: it is version 1, with the block's time
    when the key is zero: it is refused
    when anybody asks for it before: the question is refused
given an actor with a key
    when he publishes another: it takes the old one's place, as the next version
    when he publishes the same again: it is refused
    when he goes back to an earlier one: that is a rotation like any other
    when a stranger publishes the same key: it is the stranger's, the actor's stays
"""

from __future__ import annotations

import pytest
from evm import Event, RefusedError

pytestmark = pytest.mark.contracts

KEY, OTHER_KEY = b"\x11" * 32, b"\x22" * 32
ZERO = bytes(32)
SMALLEST, LARGEST = ZERO[:31] + b"\x01", b"\xff" * 32


def key_of(chain, contracts, actor):
    return chain.call(contracts.consortium.functions.getEncryptionKey(actor))


def set_key(chain, contracts, actor, key, **when):
    return chain.send(contracts.consortium.functions.setEncryptionKey(key), sender=actor, **when)


def test_set_encryption_key__first__is_version_one_at_the_blocks_time(chain, contracts, actors):
    sent = set_key(chain, contracts, actors.doctor, KEY)

    assert key_of(chain, contracts, actors.doctor) == (KEY, 1, sent.time)
    assert sent.events == (
        Event("EncryptionKeySet", {"actor": actors.doctor, "key": KEY, "version": 1}, contracts.consortium.address),
    )


def test_set_encryption_key__another__rotates(chain, contracts, actors):
    first = set_key(chain, contracts, actors.doctor, KEY)
    second = set_key(chain, contracts, actors.doctor, OTHER_KEY, at=first.time + 1000)

    assert key_of(chain, contracts, actors.doctor) == (OTHER_KEY, 2, first.time + 1000)
    assert [event.values for event in second.events] == [{"actor": actors.doctor, "key": OTHER_KEY, "version": 2}]


def test_set_encryption_key__back_to_an_earlier_one__rotates(chain, contracts, actors):
    for key in (KEY, OTHER_KEY, KEY):
        set_key(chain, contracts, actors.doctor, key)

    assert key_of(chain, contracts, actors.doctor)[:2] == (KEY, 3)


@pytest.mark.parametrize("key", [SMALLEST, LARGEST])
def test_set_encryption_key__any_key_but_zero__is_taken(chain, contracts, actors, key):
    set_key(chain, contracts, actors.doctor, key)

    assert key_of(chain, contracts, actors.doctor)[0] == key


@pytest.mark.parametrize("before", [[], [KEY]], ids=["without a key", "with a key"])
def test_set_encryption_key__zero__is_refused(chain, contracts, actors, before):
    for key in before:
        set_key(chain, contracts, actors.doctor, key)

    with pytest.raises(RefusedError) as refused:
        set_key(chain, contracts, actors.doctor, ZERO)

    assert refused.value.args == ("DirectoryEncryptionKeyIsZero",)


def test_set_encryption_key__unchanged__is_refused(chain, contracts, actors):
    first = set_key(chain, contracts, actors.doctor, KEY)

    with pytest.raises(RefusedError) as refused:
        set_key(chain, contracts, actors.doctor, KEY)

    assert refused.value.args == ("DirectoryEncryptionKeyUnchanged", actors.doctor)
    assert key_of(chain, contracts, actors.doctor) == (KEY, 1, first.time)


def test_set_encryption_key__stranger_sends_the_same__the_actors_key_stays(chain, contracts, actors):
    first = set_key(chain, contracts, actors.doctor, KEY)

    set_key(chain, contracts, actors.stranger, KEY)
    set_key(chain, contracts, actors.stranger, OTHER_KEY)

    assert key_of(chain, contracts, actors.doctor) == (KEY, 1, first.time)
    assert key_of(chain, contracts, actors.stranger)[:2] == (OTHER_KEY, 2)


def test_get_encryption_key__never_set__is_refused(chain, contracts, actors):
    set_key(chain, contracts, actors.doctor, KEY)

    with pytest.raises(RefusedError) as refused:
        key_of(chain, contracts, actors.patient)

    assert refused.value.args == ("DirectoryEncryptionKeyNotSet", actors.patient)
