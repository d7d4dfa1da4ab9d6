"""Keys.

given 32 bytes as a public key
├─ when they are the public key of an identity: it should be a recipient
├─ when they are a point of low order, canonical or not: it should refuse them
├─ when they are not canonical: it should refuse them
└─ when there are not 32 of them: it should refuse them
given an identity
├─ when it is shown: it should show its fingerprint only
├─ when it is pickled or copied: it should refuse
├─ when it is made again from its bytes: it should be equal
└─ when it meets many peers: it should keep a bounded number of shared keys
"""

import copy
import hmac
import pickle

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from envelope_judge import public_of

from medshare.envelope import FileKey, Identity, Recipient, unwrap, wrap
from medshare.envelope import keys as keys_module
from medshare.errors import InvalidInputError

pytestmark = pytest.mark.unit

P = 2**255 - 19
ORDER_8 = (
    "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
    "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
)
CANONICAL = [n.to_bytes(32, "little") for n in (0, 1, P - 1)] + [bytes.fromhex(text) for text in ORDER_8]
NOT_CANONICAL = [n.to_bytes(32, "little") for n in (P, P + 1, 2 * P - 1, 2 * P, 2 * P + 1)]
TOP_BIT_SET = [point[:31] + bytes([point[31] | 0x80]) for point in [*CANONICAL, *NOT_CANONICAL[:2]]]
LOW_ORDER = list(dict.fromkeys([*CANONICAL, *NOT_CANONICAL[:2], *TOP_BIT_SET]))
# Of low order only for implementations that forget to clear the top bit; libsodium's list has them, so has ours.
FOR_CARELESS_CURVES = NOT_CANONICAL[2:]


@pytest.mark.parametrize("point", [*LOW_ORDER, *FOR_CARELESS_CURVES], ids=bytes.hex)
def test_recipient__point_of_low_order__is_refused(point):
    with pytest.raises(InvalidInputError, match="low order" if point in CANONICAL else "canonical"):
        Recipient(point)


@pytest.mark.parametrize("point", LOW_ORDER, ids=bytes.hex)
def test_low_order_table__asked_of_the_curve__each_point_gives_zero(point):
    with pytest.raises(ValueError, match="shared key"):
        X25519PrivateKey.generate().exchange(X25519PublicKey.from_public_bytes(point))


@pytest.mark.parametrize("number", [P + 2, P + 9, P + 18, 2**255 + 9, 2**256 - 1])
def test_recipient__not_canonical__is_refused(number):
    with pytest.raises(InvalidInputError, match="canonical"):
        Recipient(number.to_bytes(32, "little"))


@pytest.mark.parametrize("length", [0, 31, 33, 64])
def test_recipient__wrong_length__is_refused(length):
    with pytest.raises(InvalidInputError, match="32 bytes"):
        Recipient(b"\x09" * length)


def test_recipient__changeable_bytes__are_refused():
    with pytest.raises(InvalidInputError):
        Recipient(bytearray(Identity.generate().recipient.key))


def test_recipient__two_of_them__have_different_fingerprints():
    one, other = Identity.generate().recipient, Identity.generate().recipient
    assert one.fingerprint == Recipient(one.key).fingerprint
    assert one.fingerprint != other.fingerprint
    assert len(one.fingerprint) == 16


def test_identity__made_from_bytes__has_the_public_key_of_the_reference_tool():
    secret = bytes(range(32))
    assert Identity.from_bytes(secret).recipient.key == public_of(secret)


def test_identity__made_twice_from_the_same_bytes__is_equal():
    secret = bytes(range(32))
    assert Identity.from_bytes(secret) == Identity.from_bytes(secret)
    assert hash(Identity.from_bytes(secret)) == hash(Identity.from_bytes(secret))
    assert Identity.from_bytes(secret) != Identity.generate()
    assert Identity.from_bytes(secret) != secret


@pytest.mark.parametrize("length", [0, 31, 33])
def test_identity__wrong_number_of_bytes__is_refused(length):
    with pytest.raises(InvalidInputError, match="32 bytes"):
        Identity.from_bytes(bytes(length))


@pytest.mark.parametrize(
    "secret", [Identity.from_bytes(b"\x5a" * 32), FileKey(b"\x5a" * 32)], ids=["identity", "file key"]
)
def test_secret__shown__shows_nothing(secret):
    for shown in (repr(secret), str(secret), f"{secret}", repr([secret])):
        assert "5a5a" not in shown
        assert "ZZ" not in shown
    assert not hasattr(secret, "__dict__")


@pytest.mark.parametrize(
    "secret", [Identity.from_bytes(b"\x5a" * 32), FileKey(b"\x5a" * 32)], ids=["identity", "file key"]
)
@pytest.mark.parametrize("take", [pickle.dumps, copy.copy, copy.deepcopy])
def test_secret__pickled_or_copied__refuses(secret, take):
    with pytest.raises(TypeError, match="not pickled or copied"):
        take(secret)


def test_identity__more_peers_than_it_keeps__still_opens_and_stays_bounded(monkeypatch):
    monkeypatch.setattr(keys_module, "MAX_CACHED_PEERS", 4)
    reader, writers = Identity.generate(), [Identity.generate() for _ in range(10)]
    for writer in [*writers, *writers]:
        file_key = FileKey.generate()
        assert unwrap(wrap(file_key, writer=writer, recipients=[reader.recipient]), reader).file_key == file_key
        assert len(reader._reading) <= 4


def test_identity__packets_in_both_directions__have_different_keys():
    one, other = Identity.generate(), Identity.generate()
    sealed = one.cipher_to(other.recipient).encrypt(bytes(12), b"text", None)
    assert other.cipher_from(one.recipient).decrypt(bytes(12), sealed, None) == b"text"
    assert other.cipher_to(one.recipient).encrypt(bytes(12), b"text", None) != sealed


def test_shared_secret__of_two__is_the_same_on_either_side_and_nobody_else_s():
    one, two, other = (Identity.generate() for _ in range(3))
    secret = one.shared_secret(two.recipient, "medshare/test/1", b"context")
    assert secret == two.shared_secret(one.recipient, "medshare/test/1", b"context")
    assert len(secret) == 32
    different = {
        one.shared_secret(two.recipient, "medshare/test/2", b"context"),
        one.shared_secret(two.recipient, "medshare/test/1", b"another"),
        one.shared_secret(other.recipient, "medshare/test/1", b"context"),
        other.shared_secret(two.recipient, "medshare/test/1", b"context"),
        one.shared_secret(one.recipient, "medshare/test/1", b"context"),
    }
    assert secret not in different
    assert len(different) == 5


def test_shared_secret__as_defined__is_the_hmac_over_both_keys():
    one, two = Identity.from_bytes(bytes([1] * 32)), Identity.from_bytes(bytes([2] * 32))
    shared = X25519PrivateKey.from_private_bytes(bytes([1] * 32)).exchange(
        X25519PublicKey.from_public_bytes(two.recipient.key)
    )
    keys = b"".join(sorted((one.recipient.key, two.recipient.key)))
    expected = hmac.digest(shared, b"medshare/test/1\0" + keys + b"context", "sha256")
    assert one.shared_secret(two.recipient, "medshare/test/1", b"context") == expected
