"""DICOM objects are read without their pixels, and found cut where they are.

given the files that pydicom's own package holds
├─ each is accepted, or refused for the reason stated here
given an image
├─ cut in its pixels, encapsulated or not, from a file or from bytes: refused
├─ without preamble, with private elements: accepted, with a warning
├─ a deflated data set that would be huge is refused before anything holds it
└─ what no library can read is refused without its values
"""

from __future__ import annotations

import zlib
from pathlib import Path

import pytest
from pydicom import examples

from medshare.errors import ConfigurationError, InvalidInputError
from medshare.model.finding import Severity
from medshare.model.record import Category
from medshare.standards import dicom
from medshare.standards.ingest import Examined, examine, recognise

pytestmark = pytest.mark.unit

# Those of pydicom's files that are refused: fragments, made to be wrong, or without what the standard requires.
REFUSED = {
    "GDCMJ2K_TextGBR.dcm": {"missing"},
    "JPEGLSNearLossless_08.dcm": {"missing"},
    "JPEGLSNearLossless_16.dcm": {"missing"},
    "MR_truncated.dcm": {"pixels"},
    "SC_jpeg_no_color_transform.dcm": {"missing"},
    "SC_jpeg_no_color_transform_2.dcm": {"missing"},
    "SC_rgb_jls_lossy_line.dcm": {"missing"},
    "SC_rgb_jls_lossy_sample.dcm": {"missing"},
    "SC_rgb_jpeg_app14_dcmd.dcm": {"missing"},
    "UN_sequence.dcm": {"missing"},
    "badVR.dcm": {"pixels"},
    "empty_charset_LEI.dcm": {"missing"},
    "meta_missing_tsyntax.dcm": {"missing", "transfer-syntax"},
    "nested_priv_SQ.dcm": {"missing", "pixels"},
    "no_meta.dcm": {"unreadable"},
    "no_meta_group_length.dcm": {"missing"},
    "priv_SQ.dcm": {"missing"},
}


def packaged() -> list[Path]:
    """The files in the wheel; others are fetched on demand, and are not looked at."""
    folder = Path(str(examples.get_path("ct"))).parent
    return sorted(path for path in folder.glob("*.dcm") if path.is_file())


def named(name: str) -> Path:
    return next(path for path in packaged() if path.name == name)


def rules(found: Examined, severity: Severity) -> set[str]:
    return {each.rule for each in found.findings if each.severity is severity}


def test_examine__pydicoms_own_files__are_accepted_or_refused_for_the_stated_reason() -> None:
    refused = {}
    for path in packaged():
        for source in (path, path.read_bytes()):
            try:
                found = rules(examine(source, dicom.MEDIA_TYPE), Severity.ERROR)
            except InvalidInputError:
                found = {"unreadable"}
            if found:
                assert refused.setdefault(path.name, found) == found
    assert refused == REFUSED
    assert len(packaged()) > 70


def test_examine__image__says_what_it_is() -> None:
    found = examine(named("CT_small.dcm"), recognise(named("CT_small.dcm")))
    assert (found.media_type, found.category, found.clinical_date, found.patients) == (
        "application/dicom",
        Category.IMAGING,
        "1997-04-30",
        ("1CT1^^^",),
    )
    assert [(each.severity, each.rule) for each in found.findings] == [(Severity.WARNING, "private")]


@pytest.mark.parametrize("cut", [12, 100, 20_000])
@pytest.mark.parametrize("name", ["MR_small.dcm", "CT_small.dcm", "examples_overlay.dcm", "examples_jpeg2k.dcm"])
def test_examine__cut_in_the_pixels__is_refused(tmp_path: Path, name: str, cut: int) -> None:
    whole = named(name).read_bytes()
    # Behind the pixels of an image there may be padding.
    document = whole[: whole.rindex(b"\xfc\xff\xfc\xff")] if b"\xfc\xff\xfc\xff" in whole[-5_000:] else whole
    path = tmp_path / "cut"
    path.write_bytes(document[:-cut])
    for source in (path, path.read_bytes()):
        try:
            assert rules(examine(source, dicom.MEDIA_TYPE), Severity.ERROR)
        except InvalidInputError as refused:
            assert "cut" in str(refused) or "cannot be read" in str(refused)  # noqa: PT017 - either is right


def test_examine__without_preamble__is_accepted_with_a_warning() -> None:
    found = examine(named("ExplVR_LitEndNoMeta.dcm"), dicom.MEDIA_TYPE)
    assert rules(found, Severity.ERROR) == set()
    assert rules(found, Severity.WARNING) == {"preamble"}


def test_examine__deflated_bomb__is_refused_before_anything_holds_it(monkeypatch: pytest.MonkeyPatch) -> None:
    document = named("image_dfl.dcm").read_bytes()
    assert rules(examine(document, dicom.MEDIA_TYPE), Severity.ERROR) == set()
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    begin = document.index(b"1.2.840.10008.1.2.1.99")
    meta_end = 132 + 12 + int.from_bytes(document[140:144], "little")
    assert begin < meta_end
    bomb = document[:meta_end] + packer.compress(bytes(32 << 20)) + packer.flush()
    assert len(bomb) < 1 << 16
    monkeypatch.setattr(dicom, "MAX_INFLATED", 1 << 20)
    with pytest.raises(InvalidInputError, match="larger than 1048576 bytes"):
        examine(bomb, dicom.MEDIA_TYPE)


@pytest.mark.parametrize(
    "document",
    [b"", b"Jane-Doe", bytes(128) + b"DICM", bytes(128) + b"DICM" + b"\xff" * 1_000, b"Jane-Doe" * 1_000],
    ids=["empty", "short", "nothing behind", "nonsense", "text"],
)
def test_examine__what_is_no_dicom__is_refused_without_its_values(document: bytes) -> None:
    with pytest.raises(InvalidInputError) as refused:
        examine(document, dicom.MEDIA_TYPE).must_conform()
    assert "Jane" not in str(refused.value)


def test_examine__without_the_library__says_that_it_was_not_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dicom, "is_there", lambda: False)
    found = examine(named("MR_small.dcm"), dicom.MEDIA_TYPE)
    assert rules(found, Severity.WARNING) == {"library"}
    assert rules(found, Severity.ERROR) == set()
    with pytest.raises(ConfigurationError, match="cannot be checked here") as refused:
        dicom.check(named("MR_small.dcm"))
    assert "medshare[dicom]" in refused.value.hint
