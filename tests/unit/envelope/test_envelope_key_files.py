"""Key files.

given a key file of ours
├─ when the reference tool reads it: it should find the same key
├─ when it is locked and the passphrase is wrong, missing or empty: it should refuse
├─ when it is there already: it should stay as it is
└─ when others may read it: it should refuse it
given a key file of the reference tool
└─ when we read it, under each key derivation: it should give the same key
given a hostile file
├─ when it is cut anywhere: it should refuse it
├─ when it asks for absurd work: it should refuse it at once
└─ when it is anything else: nothing but KeyFileError should come out
"""

import base64
import os
import stat

import pytest
from crypt4gh.keys import c4gh, get_private_key, get_public_key, kdf
from envelope_judge import public_of
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from medshare.envelope import Identity, Recipient, key_files
from medshare.errors import InvalidInputError, KeyFileError, MedshareError, WrongPassphraseError

pytestmark = pytest.mark.unit

SECRET = bytes(range(1, 33))
PASSPHRASE = "correct horse, Zürich"


def armoured(content, label="CRYPT4GH PRIVATE KEY"):
    return b"-----BEGIN %s-----\n%s\n-----END %s-----\n" % (label.encode(), base64.b64encode(content), label.encode())


def written(path, content, mode=0o600):
    path.unlink(missing_ok=True)
    path.write_bytes(content)
    path.chmod(mode)
    return path


def strings(*parts):
    return b"c4gh-v1" + b"".join(len(part).to_bytes(2, "big") + part for part in parts)


def locked(kdf_name=b"scrypt", rounds=0, salt=b"s" * 16, cipher=b"chacha20_poly1305", material=b"m" * 60):
    return strings(kdf_name, rounds.to_bytes(4, "big") + salt, cipher, material)


# ------------------------------------------------------------------------------------------------------ ours


@pytest.mark.parametrize("passphrase", [PASSPHRASE, None], ids=["locked", "open"])
@pytest.mark.parametrize("comment", ["", "cardiology, Zürich"])
def test_save__then_load__gives_the_identity(tmp_path, passphrase, comment):
    path = tmp_path / "me.sec"
    Identity.from_bytes(SECRET).save(path, passphrase, comment)
    assert Identity.load(path, passphrase) == Identity.from_bytes(SECRET)
    assert Identity.is_locked(path) is (passphrase is not None)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("passphrase", [PASSPHRASE, None], ids=["locked", "open"])
def test_save__read_by_the_reference_tool__is_the_same_key(tmp_path, passphrase):
    Identity.from_bytes(SECRET).save(tmp_path / "me.sec", passphrase, "a comment")
    assert bytes(get_private_key(tmp_path / "me.sec", lambda: passphrase)) == SECRET


def test_save__locked__holds_the_secret_in_no_form(tmp_path):
    Identity.from_bytes(SECRET).save(tmp_path / "me.sec", PASSPHRASE)
    content = (tmp_path / "me.sec").read_bytes()
    body = base64.b64decode(b"".join(content.splitlines()[1:-1]))
    for form in (SECRET, SECRET.hex().encode(), base64.b64encode(SECRET), PASSPHRASE.encode()):
        assert form not in content
        assert form not in body


def test_save__file_is_there__stays_as_it_is(tmp_path):
    path = written(tmp_path / "me.sec", b"something")
    with pytest.raises(InvalidInputError):
        Identity.generate().save(path, PASSPHRASE)
    with pytest.raises(InvalidInputError):
        Identity.generate().recipient.save(path)
    assert path.read_bytes() == b"something"


def test_save__link_is_there__is_not_followed(tmp_path):
    (tmp_path / "me.sec").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InvalidInputError):
        Identity.generate().save(tmp_path / "me.sec", PASSPHRASE)
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize(("passphrase", "comment"), [("", ""), (PASSPHRASE, "c" * 65_536), ("\ud800", "")])
def test_save__unusable_passphrase_or_comment__writes_nothing(tmp_path, passphrase, comment):
    with pytest.raises(InvalidInputError):
        Identity.generate().save(tmp_path / "me.sec", passphrase, comment)
    assert list(tmp_path.iterdir()) == []


def test_save__twice__uses_another_salt_and_nonce(tmp_path):
    Identity.from_bytes(SECRET).save(tmp_path / "a", PASSPHRASE)
    Identity.from_bytes(SECRET).save(tmp_path / "b", PASSPHRASE)
    assert (tmp_path / "a").read_bytes() != (tmp_path / "b").read_bytes()


def test_recipient_save__read_by_the_reference_tool__is_the_same_key(tmp_path):
    recipient = Identity.from_bytes(SECRET).recipient
    recipient.save(tmp_path / "me.pub")
    assert bytes(get_public_key(tmp_path / "me.pub")) == recipient.key
    assert Recipient.load(tmp_path / "me.pub") == recipient


# ---------------------------------------------------------------------------------------- the reference tool's


@pytest.mark.parametrize("passphrase", [PASSPHRASE, None], ids=["locked", "open"])
def test_load__pair_of_the_reference_tool__is_the_same_pair(tmp_path, passphrase):
    c4gh.generate(tmp_path / "ref.sec", tmp_path / "ref.pub", passphrase.encode() if passphrase else None, b"comment")
    identity = Identity.load(tmp_path / "ref.sec", passphrase)
    assert identity.recipient == Recipient.load(tmp_path / "ref.pub")
    assert public_of(bytes(get_private_key(tmp_path / "ref.sec", lambda: passphrase))) == identity.recipient.key


@pytest.mark.parametrize(("name", "rounds"), [(b"scrypt", 0), (b"bcrypt", 3), (b"pbkdf2_hmac_sha256", 1_000)])
def test_load__each_key_derivation_of_the_reference_tool__gives_the_key(tmp_path, monkeypatch, name, rounds):
    monkeypatch.setattr(c4gh, "get_kdf", lambda _: (16, rounds))
    derive = kdf.derive_key
    monkeypatch.setattr(c4gh, "derive_key", lambda _, *rest: derive(name, *rest))
    content = c4gh.encode_private_key(SECRET, PASSPHRASE.encode(), None)
    content = content.replace(b"\x00\x06scrypt", len(name).to_bytes(2, "big") + name, 1)
    path = written(tmp_path / "ref.sec", armoured(content))
    assert Identity.load(path, PASSPHRASE) == Identity.from_bytes(SECRET)
    with pytest.raises(WrongPassphraseError):
        Identity.load(path, PASSPHRASE + "x")


def test_load__label_for_locked_keys_of_other_tools__is_taken(tmp_path):
    path = written(tmp_path / "k", armoured(strings(b"none", b"none", SECRET), "CRYPT4GH ENCRYPTED PRIVATE KEY"))
    assert Identity.load(path, None) == Identity.from_bytes(SECRET)


# ------------------------------------------------------------------------------------------------- refusals


@pytest.mark.parametrize("passphrase", ["wrong", "", None, "correct horse, Zürich "])
def test_load__wrong_passphrase__is_refused(tmp_path, passphrase):
    Identity.from_bytes(SECRET).save(tmp_path / "me.sec", PASSPHRASE)
    with pytest.raises(WrongPassphraseError):
        Identity.load(tmp_path / "me.sec", passphrase)


def test_load__open_file_where_a_locked_one_is_expected__is_refused(tmp_path):
    Identity.from_bytes(SECRET).save(tmp_path / "me.sec", None)
    with pytest.raises(KeyFileError, match="not locked"):
        Identity.load(tmp_path / "me.sec", PASSPHRASE)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o660, 0o610, 0o601])
def test_load__others_have_rights__is_refused(tmp_path, mode):
    Identity.from_bytes(SECRET).save(tmp_path / "me.sec", None)
    (tmp_path / "me.sec").chmod(mode)
    for read in (lambda path: Identity.load(path, None), Identity.is_locked):
        with pytest.raises(KeyFileError, match="open to others"):
            read(tmp_path / "me.sec")


@pytest.mark.parametrize("mode", [0o600, 0o400])
def test_load__only_the_owner_has_rights__is_taken(tmp_path, mode):
    Identity.from_bytes(SECRET).save(tmp_path / "me.sec", None)
    (tmp_path / "me.sec").chmod(mode)
    assert Identity.load(tmp_path / "me.sec", None) == Identity.from_bytes(SECRET)


def test_load__not_a_file__is_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe", 0o600)
    (tmp_path / "folder").mkdir(mode=0o700)
    for name in ("pipe", "folder", "missing"):
        with pytest.raises(KeyFileError):
            Identity.load(tmp_path / name, None)
        with pytest.raises(KeyFileError):
            Recipient.load(tmp_path / name)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n\n",
        b"-----BEGIN CRYPT4GH PRIVATE KEY-----",
        b"-----BEGIN CRYPT4GH PRIVATE KEY-----\nYzRnaC12MQ==\n",
        b"-----BEGIN CRYPT4GH PRIVATE KEY-----\n!!!!\n-----END CRYPT4GH PRIVATE KEY-----",
        b"-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----",
        armoured(b""),
        armoured(b"c4gh-v1"),
        armoured(b"c4gh-v2" + strings(b"none", b"none", SECRET)[7:]),
        armoured(strings(b"none", b"none", SECRET[:-1])),
        armoured(strings(b"none", b"none", SECRET + b"\0")),
        armoured(strings(b"none", b"none", SECRET, b"comment", b"more")),
        armoured(strings(b"none", b"none", SECRET) + b"\0"),
        armoured(strings(b"none", b"chacha20_poly1305", SECRET)),
        armoured(strings(b"argon2", b"\0\0\0\0salt", b"chacha20_poly1305", b"m" * 60)),
        armoured(locked(cipher=b"none", material=SECRET)),
        armoured(locked(material=b"m" * 59)),
        armoured(locked(material=b"m" * 61)),
        armoured(locked(salt=b"")),
        armoured(locked(salt=b"s" * 65)),
        armoured(locked(rounds=1)),
        armoured(locked(b"bcrypt", rounds=0)),
        armoured(locked(b"bcrypt", rounds=1_001)),
        armoured(locked(b"bcrypt", rounds=2**32 - 1)),
        armoured(locked(b"pbkdf2_hmac_sha256", rounds=0)),
        armoured(locked(b"pbkdf2_hmac_sha256", rounds=5_000_001)),
        armoured(strings(b"scrypt", b"\0\0\0", b"chacha20_poly1305", b"m" * 60)),
        b"-" * (key_files.MAX_KEY_FILE_SIZE + 1),
    ],
    ids=lambda content: f"{len(content)} bytes",
)
def test_load__malformed_or_greedy_file__is_refused(tmp_path, content):
    path = written(tmp_path / "k", content)
    for passphrase in (None, "p"):
        with pytest.raises(KeyFileError) as caught:
            Identity.load(path, passphrase)
        assert str(caught.value)


@pytest.mark.parametrize("passphrase", [PASSPHRASE, None], ids=["locked", "open"])
def test_load__file_cut_at_any_byte__is_refused(tmp_path, passphrase):
    Identity.from_bytes(SECRET).save(tmp_path / "me.sec", passphrase, "comment")
    content = (tmp_path / "me.sec").read_bytes().rstrip(b"\n")
    inner = base64.b64decode(content.splitlines()[1])
    before_comment = len(inner) - 9
    for cut in range(0, len(content), 5):
        with pytest.raises(KeyFileError):
            Identity.load(written(tmp_path / "cut", content[:cut]), None)
    for cut in range(len(inner)):
        if cut != before_comment:  # there, a whole file without a comment ends
            with pytest.raises(KeyFileError):
                Identity.load(written(tmp_path / "cut", armoured(inner[:cut])), None)


def test_recipient_load__wrong_content__is_refused(tmp_path):
    label = "CRYPT4GH PUBLIC KEY"
    for content in (b"", armoured(SECRET), armoured(SECRET[:31], label), armoured(SECRET + b"\0", label)):
        with pytest.raises(KeyFileError):
            Recipient.load(written(tmp_path / "k", content))
    with pytest.raises(InvalidInputError):
        Recipient.load(written(tmp_path / "k", armoured(bytes(32), label)))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    changes=st.lists(st.tuples(st.integers(0, 200), st.integers(0, 255)), min_size=1, max_size=4), inside=st.booleans()
)
def test_load__changed_bytes__only_our_errors_come_out(tmp_path, changes, inside):
    content = bytearray(
        strings(b"none", b"none", SECRET, b"comment") if inside else armoured(strings(b"none", b"none", SECRET))
    )
    for position, value in changes:
        content[position % len(content)] = value
    path = written(tmp_path / "k", armoured(bytes(content)) if inside else bytes(content))
    try:
        Identity.load(path, None)
    except MedshareError as error:
        assert SECRET.hex() not in str(error)  # noqa: PT017 - most changes raise, some do not
