"""A document from outside is read within limits, or refused by one error, quickly.

given bytes that say they are a JSON object
├─ when they are one, its fields come out with their types
└─ when they are too large or deep, no UTF-8, no JSON, not an object, hold a key twice, NaN, Infinity, an absurd
   number or half a character, or a field of the wrong type
   └─ it should raise InvalidInputError and nothing else
given TOML, as our own files are written, of any kind
└─ when it is no UTF-8, no TOML, or holds an integer of very many digits
   └─ it should be refused by the error of that kind of file, which quotes nothing of it
"""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medshare.chain.networks import load_networks
from medshare.errors import ConfigurationError, InvalidInputError
from medshare.model.consent import Decision, Excerpt, Terms
from medshare.model.documents import MAX_DOCUMENT_SIZE, Reader, decode_document, decode_toml, encode_document
from medshare.model.duo import DataUse
from medshare.model.intended_use import IntendedUse
from medshare.model.policy import Policy
from medshare.model.record import Category, Commitment, Manifest
from medshare.model.retention import RetentionPolicy
from medshare.network.members import MemberFile
from medshare.settings import SETTINGS_FILE, Settings
from medshare.standards.examinations.equivalence import Equivalence

pytestmark = pytest.mark.unit

HOSTILE = {
    "empty": b"",
    "white space": b"  \n ",
    "too large": b'{"a":"' + b"x" * MAX_DOCUMENT_SIZE + b'"}',
    "a hundred thousand lists": b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "a hundred thousand objects": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "lists never closed": b"[" * 1_000_000,
    "objects never closed": b'{"a":' * 100_000,
    "closed more than opened": b'{"a":1}' + b"]" * 1_000 + b"[" * 33,
    "deep behind a string of brackets": b'{"a":"' + b"]" * 100_000 + b'","b":' + b"[" * 100_000,
    "deep behind an escaped quote": b'{"a":"\\"' + b"]" * 5_000 + b'","b":' + b"[" * 5_000 + b"]" * 5_000 + b"}",
    "a little too deep behind a string of brackets": b'{"a":"'
    + b"]" * 500
    + b'","b":'
    + b"[" * 500
    + b"]" * 500
    + b"}",
    "a string never closed": b'{"a":"' + b'\\"' * 1_000_000,
    "a backslash at the end": b'{"a":"b\\',
    "key twice": b'{"a":1,"a":1}',
    "key twice, written differently": b'{"a":1,"\\u0061":2}',
    "key twice, far inside": b'{"a":[{"b":{"c":1,"c":2}}]}',
    "NaN": b'{"a":NaN}',
    "Infinity": b'{"a":Infinity}',
    "minus Infinity": b'{"a":[-Infinity]}',
    "an integer of a million digits": b'{"a":' + b"9" * 1_000_000 + b"}",
    "an integer of 41 digits": b'{"a":' + b"9" * 41 + b"}",
    "a float beyond all": b'{"a":1e999}',
    "a float beyond all, negative": b'{"a":-1e999}',
    "a float of a million digits": b'{"a":0.' + b"9" * 1_000_000 + b"}",
    "half a character": b'{"a":"\\ud800"}',
    "half a character as key": b'{"\\udfff":1}',
    "halves in the wrong order": b'{"a":"\\udc00\\ud800"}',
    "not UTF-8": b'{"a":"\xff"}',
    "half a character in UTF-8": b'{"a":"\xed\xa0\x80"}',
    "overlong UTF-8": b'{"a":"\xc0\xaf"}',
    "UTF-16": '{"a":1}'.encode("utf-16"),
    "byte order mark": b'\xef\xbb\xbf{"a":1}',
    "null": b"null",
    "a list": b"[]",
    "a text": b'"a"',
    "a number": b"1",
    "two objects": b"{}{}",
    "comma at the end": b'{"a":1,}',
    "single quotes": b"{'a':1}",
    "comment": b'{"a":1 /* one */}',
    "control character in a text": b'{"a":"\x01"}',
    "zero byte": b'{"a":1}\0',
    "zero byte in front": b"\0{}",
    "zeros": bytes(1 << 20),
}


@pytest.mark.parametrize("document", HOSTILE.values(), ids=HOSTILE)
def test_decode__hostile_document__is_refused_quickly_and_not_quoted(document: bytes) -> None:
    begin = time.thread_time()
    with pytest.raises(InvalidInputError) as caught:
        decode_document(document)
    assert time.thread_time() - begin < 1
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize("document", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize(
    "kind", [Manifest, Terms, Excerpt, Decision, Commitment, DataUse, IntendedUse], ids=lambda kind: kind.__name__
)
def test_from_json__hostile_document__is_refused(kind: type, document: bytes) -> None:
    with pytest.raises(InvalidInputError):
        kind.from_json(document)


@given(document=st.binary(max_size=200))
def test_decode__any_bytes__object_or_refused(document: bytes) -> None:
    try:
        assert isinstance(decode_document(document), dict)
    except InvalidInputError:
        return


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**38), 10**38)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner, max_size=4)
    ),
    max_leaves=12,
)
names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)


@given(fields=st.dictionaries(names, values.filter(lambda value: value is not None)))
def test_encode__then_decode__is_the_same_and_canonical(fields: dict) -> None:
    document = encode_document(fields)
    assert decode_document(document) == fields
    assert encode_document(decode_document(document)) == document
    assert encode_document(dict(reversed(fields.items()))) == document


@given(fields=st.dictionaries(st.text(), values | st.text(st.characters(categories=["Cs"]), min_size=1)))
def test_decode__what_was_read__can_always_be_written_again(fields: dict) -> None:
    """A digest is taken over what is written again: it must not fail there."""
    document = json.dumps(fields).encode()
    try:
        read = decode_document(document)
    except InvalidInputError:
        return
    assert decode_document(encode_document(read)) == {name: value for name, value in read.items() if value is not None}


def test_decode__within_the_limits__is_read() -> None:
    deep = b'{"a":' + b"[" * 31 + b"]" * 31 + b"}"
    assert list(decode_document(deep)) == ["a"]
    with pytest.raises(InvalidInputError, match="deeper"):
        decode_document(b'{"a":' + b"[" * 32 + b"]" * 32 + b"}")
    brackets = "[{" * 100 + '\\"' + "]" * 3
    assert decode_document(encode_document({"a": brackets})) == {"a": brackets}
    assert decode_document(b'{"a":"\\ud83d\\ude00"}') == {"a": "\N{GRINNING FACE}"}
    assert decode_document(b"{}", max_size=2) == {}
    with pytest.raises(InvalidInputError):
        decode_document(b"{ }", max_size=2)


@pytest.mark.parametrize(
    ("take", "good", "bad"),
    [
        (lambda read: read.text("f", 3), ["", "abc"], ["abcd", 1, None, True, [], {}]),
        (lambda read: read.optional_text("f"), ["abc", None], [1, True, [], {}, "x" * 5000]),
        (lambda read: read.texts("f", 2), [[], ["a", "b"], None], [["a"] * 3, "a", "", 0, False, {}, [1], [None]]),
        (lambda read: read.objects("f", 1), [[], [{}]], [[{}, {}], None, {}, [1], [[]], ""]),
        (lambda read: read.integer("f", 0, 5), [0, 5], [-1, 6, True, False, 1.0, "1", None, 10**30]),
        (lambda read: read.digest("f"), ["ab" * 32], ["ab", "", " ".join(["ab"] * 32), 1, None]),
        (lambda read: read.address("f"), ["0x" + "11" * 20], ["0x", 1, None, "11" * 20]),
        (lambda read: read.choice("f", Category), ["imaging"], ["Imaging", "", 1, None]),
        (lambda read: read.optional_choice("f", Category), ["imaging", None], ["Imaging", "", 1, False, []]),
        (
            lambda read: read.choices("f", Category),
            [[], None, ["imaging", "other"]],
            [["imaging", "imaging"], ["Imaging"], "imaging", [1], {}, ["imaging"] * 99],
        ),
        (lambda read: read.child("f"), [{}, {"a": 1}], [None, [], "", 1, True, [{}]]),
        (lambda read: read.flag("f"), [True, False, None], [0, 1, "true", [], {}]),
        (lambda read: read.optional_flag("f"), [True, False, None], [0, 1, "true", [], {}]),
        (
            lambda read: read.optional_day("f"),
            ["2026-03-01", None],
            ["2026-02-30", "20260301", "2026-W10-1", "2026-3-1", "2026-03-01T00:00:00", "", 1, True, []],
        ),
        (lambda read: read.optional_integer("f", 0, 5), [0, 5, None], [-1, 6, True, 1.0, "1", []]),
        (lambda read: read.digests("f", 2), [[], None, ["ab" * 32] * 2], [["ab" * 32] * 3, ["ab"], "ab" * 32, [1]]),
        (lambda read: read.addresses("f", 1), [[], None, ["0x" + "11" * 20]], [["0x" + "11" * 20] * 2, ["0x"], 1]),
    ],
    ids=[
        "text",
        "optional_text",
        "texts",
        "objects",
        "integer",
        "digest",
        "address",
        "choice",
        "optional_choice",
        "choices",
        "child",
        "flag",
        "optional_flag",
        "optional_day",
        "optional_integer",
        "digests",
        "addresses",
    ],
)
def test_reader__each_field__takes_its_type_and_nothing_else(take, good: list, bad: list) -> None:
    for value in good:
        read = Reader({"f": value, "other": 1}, "document")
        take(read)
        assert read.rest() == {"other": 1}
    for value in bad:
        with pytest.raises(InvalidInputError):
            take(Reader({"f": value}, "document"))


@pytest.mark.parametrize("version", [2, 0, "1", None, True, 1.0])
def test_reader__version_is_another__is_refused(version) -> None:
    Reader({"version": 1}, "document").version(1)
    with pytest.raises(InvalidInputError, match="version"):
        Reader({"version": version}, "document").version(1)


def test_reader__field_is_absent__is_refused_by_its_name() -> None:
    with pytest.raises(InvalidInputError, match=r"document.*'size'"):
        Reader({}, "document").integer("size", 0, 1)
    assert not Reader({"f": None}, "document").present("f")


def test_reader__flag_is_absent__is_false_or_unanswered() -> None:
    assert Reader({}, "document").flag("f") is False
    assert Reader({}, "document").optional_flag("f") is None
    assert Reader({"f": False}, "document").optional_flag("f") is False


def test_reader__field_that_nobody_asked_for__is_refused_at_the_end_and_not_quoted() -> None:
    read = Reader({"f": 1, "CANARY": 2}, "document")
    read.integer("f", 0, 1)
    with pytest.raises(InvalidInputError) as caught:
        read.end()
    assert "CANARY" not in str(caught.value)
    Reader({}, "document").end()


# ------------------------------------------------------------------------------------------------------ TOML

DIGITS = "9" * 5_000
"""More than ``int`` takes from a text."""
MALFORMED = {
    "no UTF-8": b"canary = '\xff'",
    "no TOML": b"canary = ",
    "a key twice": b"canary = 1\ncanary = 2",
    "a day that is none": b"canary = 2026-02-30",
    "thousands of digits": f"canary = {DIGITS}".encode(),
    "thousands of digits in a list in a table": f"[canary]\nnumbers = [1, [{DIGITS}]]".encode(),
    "more digits than there are wei": b"canary = [{numbers = [1, -1" + b"0" * 40 + b"]}]",
    "hexadecimal digits": b"canary = 0x" + b"f" * 5_000,
}


def settings_of(document: bytes, folder: Path) -> object:
    (folder / SETTINGS_FILE).write_bytes(document)
    return Settings.load(folder)


def networks_of(document: bytes, folder: Path) -> object:
    (folder / "networks.toml").write_bytes(document)
    return load_networks(folder / "networks.toml")


KINDS_OF_TOML = {
    "any": (lambda document, _: decode_toml(document, "it"), InvalidInputError),
    "policy": (lambda document, _: Policy.from_toml(document), InvalidInputError),
    "retention": (lambda document, _: RetentionPolicy.from_toml(document), InvalidInputError),
    "equivalent codes": (lambda document, _: Equivalence.from_toml(document), InvalidInputError),
    "member file": (lambda document, _: MemberFile.parse(document), ConfigurationError),
    "networks": (networks_of, ConfigurationError),
    "settings": (settings_of, ConfigurationError),
}


@pytest.mark.parametrize("document", MALFORMED.values(), ids=MALFORMED)
@pytest.mark.parametrize(("read", "error"), KINDS_OF_TOML.values(), ids=KINDS_OF_TOML)
def test_toml__malformed_or_absurd__is_refused_and_not_quoted(tmp_path: Path, read, error, document: bytes) -> None:
    with pytest.raises(error, match=r"not well-formed TOML|integer of absurd length") as caught:
        read(document, tmp_path)
    assert "canary" not in str(caught.value)


def test_toml__within_the_limits__is_read() -> None:
    assert decode_toml(b"wei = 9999999999999999999999\n[table]\nlist = [true, 'a', 1.5]", "it") == {
        "wei": 9999999999999999999999,
        "table": {"list": [True, "a", 1.5]},
    }
