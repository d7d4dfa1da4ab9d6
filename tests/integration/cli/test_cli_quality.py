"""Quality on the command line: attested, shown, withdrawn; searched by.

given a home with two records of a patient by a hospital, and a clinic that is accredited as assessor
├─ what it attests is shown, with whether it counts; withdrawn, or no longer accredited, it does not
├─ withdrawn again, it is said where, and nothing is sent
├─ lists and histories hold what is good enough, and nothing that nobody has attested
├─ the score of what the clinic may read is computed; of what it may not, nothing is attested
│  └─ whoever may read it computes it anew, and is told whether it agrees
├─ many in a batch: one root, however often the command is given; a slip for each record
│  ├─ who has kept the slip counts it; in another home nobody knows of it, until it has come with the record's key
│  └─ withdrawn by its root, or erased with the record
├─ a study asks for a score, and weighs it: the records of one patient are good enough, another's are not
│  └─ attested in a batch: the patient is handed slips, and by what he puts into the bundle all three judge
└─ who may not, and what is not there or cannot be, is refused with its exit code
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from homes import OBSERVATION, PASSPHRASE, CommandLine, Home
from studies import REWARD, write_study

from medshare import connect
from medshare.model.accreditation import AccreditationKind
from medshare.model.ids import Address, record_id
from medshare.model.record import Category
from medshare.model.slip import slips_from_json
from medshare.services.description import Description
from medshare.services.slips import Slips
from medshare.standards.quality import VERSION, score

pytestmark = pytest.mark.integration


@pytest.fixture
def granted(granted_home: Home, capsysbinary: pytest.CaptureFixture[bytes]) -> CommandLine:
    cli = CommandLine(granted_home, capsysbinary)
    cli.accredit("clinic", AccreditationKind.ASSESSOR)
    return cli


def attest(cli: CommandLine, record: str, score: int) -> None:
    said = cli.json("quality", "attest", record, "--as", "clinic", "--score", score, "--method", 100)
    assert (said["record"], said["score"]) == (record, score)


def test_quality__attested__is_shown_until_withdrawn_or_no_longer_accredited(granted: CommandLine) -> None:
    scan = granted.home.scan
    assert granted("quality", "show", scan).text == "nobody has attested the quality of this record\n"
    attest(granted, scan, 80)
    (row,) = granted.json("quality", "show", scan)
    assert (row["assessor"], row["score"], row["method"], row["counts"]) == (
        granted.home.addresses["clinic"],
        80,
        "100",
        True,
    )
    granted.accredit("clinic", AccreditationKind.ASSESSOR, 0)
    (row,) = granted.json("quality", "show", scan)
    assert (row["accredited"], row["counts"]) == (False, False)
    withdrawn = granted.json("quality", "withdraw", scan, "--as", "clinic")
    assert not withdrawn["already"]
    assert granted.json("quality", "withdraw", scan, "--as", "clinic") == withdrawn | {"already": True}
    assert "withdrawn before; nothing was sent" in granted("quality", "withdraw", scan, "--as", "clinic").text
    (row,) = granted.json("quality", "show", scan)
    assert row["withdrawn_at"] is not None
    assert granted.json("audit", "verify")["differences"] == []


def test_records__searched_by_quality__are_those_attested_as_good(granted: CommandLine) -> None:
    attest(granted, granted.home.scan, 80)
    attest(granted, granted.home.observation, 40)
    listed = ("record", "list", "--patient", "patient", "--min-score")
    assert [row["record"] for row in granted.json(*listed, 80)] == [granted.home.scan]
    assert len(granted.json(*listed, 40)) == 2
    assert granted(*listed, 81).text == "no record of this patient has this quality attested\n"
    history = granted.json("record", "history", "--as", "doctor", "--patient", "patient", "--min-score", 50)
    assert [row["record"] for row in history["records"]] == [granted.home.scan]


def test_study__that_asks_for_quality__is_delivered_and_paid_by_it(granted: CommandLine, tmp_path: Path) -> None:
    cli, home = granted, granted.home
    cli.accredit("researcher", AccreditationKind.RESEARCHER)
    cli.accredit("neighbour", AccreditationKind.ETHICS_COMMITTEE)
    with connect(home.path) as session:
        hospital = session.keyring.open("hospital", lambda _: PASSPHRASE)
        said = Description(media_type="application/fhir+json", category=Category.OBSERVATION)
        other = session.publishing.publish(
            OBSERVATION, custodian=hospital, patient=Address(home.addresses["stranger"]), description=said
        )
    attest(cli, home.observation, 92)
    attest(cli, other.record_id.hex(), 70)
    wanted = {"effect": "permit", "purposes": ["BIORCH"], "everything": True}
    asked = ("--min-score", 80, "--quality-method", 100, "--quality-weight", 5000)
    opening = ("request", "open", write_study(tmp_path, wanted=wanted), "--as", "researcher")
    for half in (asked[:2], asked[4:]):
        answer = cli("--json", *opening, *half)
        assert (answer.code, answer.error["error"]) == (2, "InvalidInputError")
    row = cli.json(*opening, *asked)
    assert (row["minimum_score"], row["quality_method"], row["quality_weight"]) == (80, 100, 5000)
    number = str(row["request"])
    assert cli.json(*opening, *asked)["already"]
    cli.json("request", "approve", number, "--as", "neighbour")
    assert "records below 80 of 100 are not delivered" in cli("request", "offers", "--as", "patient").text
    answer = cli("--json", "request", "accept", number, "--as", "stranger", "--yes")
    assert (answer.code, answer.error["error"]) == (1, "ScoreTooLowError")
    cli.json("request", "accept", number, "--as", "patient", "--yes")

    delivered = cli.json("request", "deliver", number, "--patient", "patient", "--as", "hospital")

    assert (delivered["records"], delivered["score"]) == ([home.observation], 92)
    (left_out,) = delivered["left_out"]
    assert left_out.startswith(home.scan)
    (part,) = cli.json("request", "show", number)["parts"]
    assert (part["state"], part["score"]) == ("delivered", 92)
    confirmed = cli.json("request", "confirm", number, "--patient", "patient", "--as", "researcher")
    assert (confirmed["records"], confirmed["score"]) == (1, 92)
    account = cli.json("reward", "account", number)
    assert (account["to_custodians"], account["returned"]) == (200_000 - 8_000, 8_000)
    assert account["to_patients"] + account["to_consortium"] == REWARD - 200_000
    assert cli.json("audit", "verify")["differences"] == []


def keep_no_slips(cli: CommandLine) -> None:
    """Nobody in this home keeps slips any more."""
    (cli.home.path / "state" / cli.home.settings.network / "slips.sqlite").unlink()


def asked_for_quality(cli: CommandLine, folder: Path) -> str:
    """Return the number of a study that asks for a score of 80, and awaits patients."""
    cli.accredit("researcher", AccreditationKind.RESEARCHER)
    cli.accredit("neighbour", AccreditationKind.ETHICS_COMMITTEE)
    wanted = {"effect": "permit", "purposes": ["BIORCH"], "everything": True}
    asked = ("--min-score", 80, "--quality-method", 100)
    row = cli.json("request", "open", write_study(folder, wanted=wanted), "--as", "researcher", *asked)
    cli.json("request", "approve", row["request"], "--as", "neighbour")
    return str(row["request"])


def handed_slips(cli: CommandLine, folder: Path) -> tuple[Path, str]:
    """Return what a custodian hands the patient of a batch in which only one of his records is good, and its root."""
    file = listed(
        folder / "list.csv", "record,score,method", f"{cli.home.observation},92,100", f"{cli.home.scan},70,100"
    )
    root = batched(cli, folder / "slips", file)["root"]
    rows = cli.json("quality", "slips", "--patient", "patient", "--to", folder / "handed.json")
    assert {row["record"] for row in rows} == {cli.home.observation, cli.home.scan}
    keep_no_slips(cli)
    return folder / "handed.json", root


def test_study__records_attested_in_a_batch__is_delivered_and_confirmed_by_the_slips_in_the_bundle(
    granted: CommandLine, tmp_path: Path
) -> None:
    cli, home = granted, granted.home
    number = asked_for_quality(cli, tmp_path)
    handed, _ = handed_slips(cli, tmp_path)
    accept = ("request", "accept", number, "--as", "patient", "--yes")
    answer = cli("--json", *accept)
    assert (answer.code, answer.error["error"]) == (1, "ScoreTooLowError")
    assert "quality take-slip FILE" in answer.error["hint"]
    cli.json("quality", "take-slip", handed)
    cli.json(*accept)
    keep_no_slips(cli)

    delivered = cli.json("request", "deliver", number, "--patient", "patient", "--as", "hospital")

    assert (delivered["records"], delivered["score"]) == ([home.observation], 92)
    (left_out,) = delivered["left_out"]
    assert left_out.startswith(home.scan)
    confirmed = cli.json("request", "confirm", number, "--patient", "patient", "--as", "researcher")
    assert (confirmed["records"], confirmed["score"]) == (1, 92)


def test_study__the_batch_is_withdrawn_before_the_delivery__is_refused_and_can_be_declined(
    granted: CommandLine, tmp_path: Path
) -> None:
    number = asked_for_quality(granted, tmp_path)
    handed, root = handed_slips(granted, tmp_path)
    granted.json("quality", "take-slip", handed)
    granted.json("request", "accept", number, "--as", "patient", "--yes")
    granted.json("quality", "withdraw", root, "--as", "clinic")
    deliver = ("request", "deliver", number, "--patient", "patient", "--as", "hospital")
    answer = granted("--json", *deliver)
    assert (answer.code, answer.error["error"]) == (1, "ScoreTooLowError")
    assert "attested with 80 of 100 or more by method 100" in answer.error["message"]
    granted.json("request", "decline", *deliver[2:])


def test_study__a_tampered_slip_in_the_bundle__is_ignored_and_told(
    granted: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = asked_for_quality(granted, tmp_path)
    handed, _ = handed_slips(granted, tmp_path)
    true, poor = sorted(slips_from_json(handed.read_bytes()), key=lambda slip: -slip.assessed.score)
    false = replace(poor, assessed=replace(poor.assessed, score=100))
    with monkeypatch.context() as patched:
        patched.setattr(Slips, "standing", lambda *_: [true, false])
        granted.json("request", "accept", number, "--as", "patient", "--yes")
    words = (number, "--patient", "patient")
    for verb, who in (("deliver", "hospital"), ("confirm", "researcher")):
        answer = granted("--json", "request", verb, *words, "--as", who)
        assert (answer.code, answer.json["score"]) == (0, 92)
        assert "1 slips in bundle" in answer.err
        assert "ignored" in answer.err


@pytest.mark.parametrize(
    ("words", "error", "code"),
    [
        (["attest", "{scan}", "--as", "doctor", "--score", "1", "--method", "100"], "AttestingNotAccreditedError", 3),
        (["attest", "11" * 32, "--as", "clinic", "--score", "1", "--method", "100"], "UnknownRecordError", 4),
        (["withdraw", "{scan}", "--as", "clinic"], "UnknownAttestationError", 4),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_quality__that_may_not_be__is_refused(granted: CommandLine, words: list[str], error: str, code: int) -> None:
    answer = granted("--json", "quality", *(word.format(scan=granted.home.scan) for word in words))
    assert (answer.code, answer.out, answer.error["error"]) == (code, b"", error)


@pytest.mark.parametrize(
    "words",
    [
        ["--score", "101", "--method", "100"],
        ["--score", "-1", "--method", "100"],
        ["--score", "1", "--method", "99"],
        ["--score", "1", "--method", "65536"],
        ["--score", "1"],
        ["--method", "100"],
        ["--score", "1", "--method", "100", "--file", "record"],
    ],
)
def test_quality__numbers_that_cannot_be__are_usage(granted: CommandLine, words: list[str]) -> None:
    answer = granted("--json", "quality", "attest", granted.home.scan, "--as", "clinic", *words)
    assert (answer.code, answer.out) == (2, b"")


# ------------------------------------------------------------------------------------------------ computed scores

COMPUTED = score(OBSERVATION, "application/fhir+json").score
MEDSHARE = f"medshare {VERSION}"


def let_read(cli: CommandLine, *records: str, reader: str = "clinic") -> None:
    words = ("--as", "patient", "--to", reader, "--purpose", "HQUALIMP", "--until", "30d")
    cli.json("access", "grant", *records, *words)


def test_attest__a_record_that_may_be_read__is_scored_by_the_command(granted: CommandLine) -> None:
    observation = granted.home.observation
    let_read(granted, observation)
    said = granted.json("quality", "attest", observation, "--as", "clinic")
    assert (said["score"], said["method"]) == (COMPUTED, MEDSHARE)
    (row,) = granted.json("quality", "show", observation)
    assert (row["score"], row["method"], row["counts"], row["batch"]) == (COMPUTED, MEDSHARE, True, None)
    recompute = ("quality", "show", observation, "--recompute", "--as", "doctor", "--purpose", "TREAT")
    shown = granted.json(*recompute)
    assert (shown["recomputed"], shown["method"], shown["agrees"]) == (COMPUTED, MEDSHARE, True)
    assert shown["attested"] == [row]


def test_attest__without_a_right_to_read__attests_nothing(granted: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "record").write_bytes(OBSERVATION)
    observation = granted.home.observation
    for more in ((), ("--file", tmp_path / "record"), ("--purpose", "TREAT")):
        answer = granted("--json", "quality", "attest", observation, "--as", "clinic", *more)
        assert (answer.code, answer.error["error"]) == (3, "AccessDeniedError")
    assert granted.json("quality", "show", observation) == []


def test_attest__with_the_bytes_at_hand__compares_them(granted: CommandLine, tmp_path: Path) -> None:
    file, observation = tmp_path / "record", granted.home.observation
    let_read(granted, observation)
    for other in (OBSERVATION + b" ", OBSERVATION[:-1], b""):
        file.write_bytes(other)
        answer = granted("--json", "quality", "attest", observation, "--as", "clinic", "--file", file)
        assert (answer.code, answer.error["message"]) == (2, "the file is not this record")
    assert granted("quality", "attest", observation, "--as", "clinic", "--file", tmp_path / "none").code == 2
    file.write_bytes(OBSERVATION)
    said = granted.json("quality", "attest", observation, "--as", "clinic", "--file", file)
    assert (said["score"], said["method"]) == (COMPUTED, MEDSHARE)


def test_attest__of_what_has_no_score__attests_nothing(granted: CommandLine) -> None:
    let_read(granted, granted.home.scan)
    answer = granted("--json", "quality", "attest", granted.home.scan, "--as", "clinic")
    assert (answer.code, answer.error["error"]) == (2, "InvalidInputError")


def test_recompute__another_score_was_attested__says_so_and_is_1(granted: CommandLine) -> None:
    observation = granted.home.observation
    recompute = ("quality", "show", observation, "--recompute", "--as", "doctor", "--purpose", "TREAT")
    assert granted.json(*recompute) == {
        "recomputed": COMPUTED,
        "method": MEDSHARE,
        "agrees": None,
        "attested": [],
    }
    attest(granted, observation, 1)
    assert granted.json(*recompute)["agrees"] is None  # another method
    with connect(granted.home.path) as session:
        clinic = session.keyring.open("clinic", lambda _: PASSPHRASE)
        session.assessing.attest(record_id(observation), score=100, method=VERSION, assessor=clinic)
    answer = granted("--json", *recompute)
    assert (answer.code, answer.json["agrees"]) == (1, False)
    assert "agrees" in granted(*recompute).text
    assert granted("quality", "show", observation, "--recompute").code == 2
    assert granted("quality", "show", observation, "--as", "doctor").code == 2
    denied = granted("--json", *recompute[:-3], "stranger", "--purpose", "TREAT")
    assert (denied.code, denied.error["error"]) == (3, "AccessDeniedError")


# -------------------------------------------------------------------------------------------------------- batches


def batched(cli: CommandLine, folder: Path, *sources: object) -> Any:
    return cli.json("quality", "attest-batch", *sources, "--as", "clinic", "--to", folder)


def listed(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines) + "\n")
    return path


def without_slips(cli: CommandLine, path: Path) -> Home:
    """Return another home of the same people, in which no slip is kept."""
    home = cli.home.copied_to(path)
    (home.path / "state" / home.settings.network / "slips.sqlite").unlink()
    return home


def test_batch__of_what_may_be_read__is_attested_once_with_a_slip_for_each(
    granted: CommandLine, tmp_path: Path
) -> None:
    observation, slips = granted.home.observation, tmp_path / "slips"
    let_read(granted, observation)
    said = batched(granted, slips, observation)
    assert (said["records"], said["method"], said["already_attested"]) == (1, MEDSHARE, False)
    again = batched(granted, slips, observation)
    assert (again["root"], again["already_attested"], again["block"]) == (said["root"], True, None)
    (file,) = slips.iterdir()
    assert file.name == f"{observation}.json"
    (row,) = granted.json("quality", "show", observation)
    assert (row["score"], row["method"], row["counts"], row["batch"]) == (COMPUTED, MEDSHARE, True, said["root"])


def test_batch__into_a_folder_with_slips_of_a_withdrawn_one__replaces_them(
    granted: CommandLine, tmp_path: Path
) -> None:
    observation, scan, slips = granted.home.observation, granted.home.scan, tmp_path / "slips"
    file = listed(tmp_path / "list.csv", "record,score,method", f"{observation},40,100", f"{scan},80,100")
    first = batched(granted, slips, file)
    granted.json("quality", "withdraw", first["root"], "--as", "clinic")
    second = batched(granted, slips, file)
    assert second["root"] != first["root"]
    written = [json.loads(each.read_text())["slips"][0] for each in slips.iterdir()]
    assert {each["record"]: each["score"] for each in written} == {observation: 40, scan: 80}
    elsewhere = without_slips(granted, tmp_path / "elsewhere")
    granted.json("quality", "take-slip", *slips.iterdir(), home=elsewhere)
    assert {row["batch"] for row in granted.json("quality", "slips", home=elsewhere)} == {second["root"]}
    assert batched(granted, slips, file)["already_attested"]


@pytest.mark.parametrize("scored_by", ["the assessor", "medshare"])
def test_batch__into_a_folder_with_slips_of_one_that_stands__keeps_them_and_attests_nothing(
    granted: CommandLine, tmp_path: Path, scored_by: str
) -> None:
    observation, slips = granted.home.observation, tmp_path / "slips"
    let_read(granted, observation)
    file = listed(tmp_path / "list.csv", "record,score,method", f"{observation},40,100")
    batched(granted, slips, file)
    (slip,) = slips.iterdir()
    kept = slip.read_bytes()
    by_assessor = scored_by == "the assessor"
    listed(file, *(["record,score,method", f"{observation},50,101"] if by_assessor else ["record", observation]))
    answer = granted("--json", "quality", "attest-batch", file, "--as", "clinic", "--to", slips)
    assert (answer.code, slip.read_bytes()) == (2, kept)
    assert not batched(granted, tmp_path / "others", file)["already_attested"]


@pytest.mark.parametrize("whose", ["nobody's", "another's", "another record's", "no file"])
def test_batch__into_a_folder_with_something_else__attests_nothing(
    granted: CommandLine, tmp_path: Path, whose: str
) -> None:
    observation, scan, slips = granted.home.observation, granted.home.scan, tmp_path / "slips"
    file = listed(tmp_path / "list.csv", "record,score,method", f"{observation},40,100")
    place = slips / f"{observation}.json"
    match whose:
        case "nobody's":
            slips.mkdir(mode=0o700)
            place.write_text("mine")
        case "no file":
            place.mkdir(mode=0o700, parents=True)
        case "another's":
            granted.accredit("hospital", AccreditationKind.ASSESSOR)
            granted.json("quality", "attest-batch", file, "--as", "hospital", "--to", slips)
        case _:
            batched(granted, slips, listed(tmp_path / "other.csv", "record,score,method", f"{scan},40,100"))
            (slips / f"{scan}.json").rename(place)
    before = granted.json("quality", "show", observation)
    answer = granted("--json", "quality", "attest-batch", file, "--as", "clinic", "--to", slips)
    assert (answer.code, answer.error["error"]) == (2, "InvalidInputError")
    assert granted.json("quality", "show", observation) == before


def test_batch__one_of_them_cannot_be_scored__attests_none(granted: CommandLine, tmp_path: Path) -> None:
    let_read(granted, granted.home.observation)
    words = (granted.home.observation, granted.home.scan, "--as", "clinic", "--to", tmp_path / "slips")
    answer = granted("--json", "quality", "attest-batch", *words)
    assert (answer.code, answer.out) == (3, b"")
    assert granted.home.scan in answer.error["warning"]
    assert granted.json("quality", "show", granted.home.observation) == []
    assert list((tmp_path / "slips").iterdir()) == []


def test_batch__of_an_assessor_s_own_scores__is_shown_to_whom_has_the_slip(
    granted: CommandLine, tmp_path: Path
) -> None:
    observation, scan = granted.home.observation, granted.home.scan
    file = listed(tmp_path / "list.csv", "record,score,method", f"{observation},40,100", f"{scan}, 80, 100")
    said = batched(granted, tmp_path / "slips", file)
    assert (said["records"], said["method"]) == (2, "100")
    elsewhere = without_slips(granted, tmp_path / "elsewhere")
    listing = ("record", "list", "--patient", "patient", "--min-score")
    assert granted("--json", *listing, 80, home=elsewhere).json == []
    taken = granted.json("quality", "take-slip", tmp_path / "slips" / f"{scan}.json", home=elsewhere)
    assert [(row["records"], row["new"]) for row in taken] == [([scan], 1)]
    (slip,) = granted.json("quality", "slips", home=elsewhere)
    assert (slip["record"], slip["score"], slip["method"], slip["batch"]) == (scan, 80, "100", said["root"])
    for home, found in ((elsewhere, [scan]), (granted.home, [scan])):
        assert [row["record"] for row in granted.json(*listing, 80, home=home)] == found
    assert len(granted.json(*listing, 40)) == 2
    history = ("record", "history", "--as", "doctor", "--patient", "patient", "--min-score", 50)
    assert [row["record"] for row in granted.json(*history, home=elsewhere)["records"]] == [scan]
    granted.json("quality", "withdraw", said["root"], "--as", "clinic")
    (gone,) = granted.json("quality", "show", scan)
    assert (gone["counts"], gone["withdrawn_at"] is not None) == (False, True)
    assert granted("--json", *listing, 0).json == []


def test_slips__handed_to_a_patient__are_those_of_his_records_that_stand(granted: CommandLine, tmp_path: Path) -> None:
    observation, scan = granted.home.observation, granted.home.scan
    batched(granted, tmp_path / "slips", listed(tmp_path / "list.csv", "record,score,method", f"{scan},80,100"))
    other = listed(tmp_path / "other.csv", "record,score,method", f"{observation},40,100")
    root = batched(granted, tmp_path / "slips", other)["root"]
    granted.json("quality", "withdraw", root, "--as", "clinic")
    to = tmp_path / "handed.json"
    hand = ("quality", "slips", "--patient", "patient", "--to", to)
    assert {row["record"] for row in granted.json(*hand)} == {observation, scan}
    assert [slip.record_id.hex() for slip in slips_from_json(to.read_bytes())] == [scan]
    assert granted.json("quality", "slips", "--patient", "stranger") == []
    for words, code in (
        (hand, 2),
        (("quality", "slips", "--to", tmp_path / "all.json"), 2),
        (("quality", "slips", "--patient", "stranger", "--to", tmp_path / "none.json"), 2),
    ):
        assert granted("--json", *words).code == code
    assert sorted(each.name for each in tmp_path.glob("*.json")) == ["handed.json"]


def test_slip__of_a_record__comes_to_its_reader_with_the_key(granted: CommandLine, tmp_path: Path) -> None:
    observation = granted.home.observation
    file = listed(tmp_path / "list.csv", "record,score,method", f"{observation},70,100")
    batched(granted, tmp_path / "slips", file)
    let_read(granted, observation, reader="neighbour")
    reader = without_slips(granted, tmp_path / "reader")
    assert granted.json("quality", "slips", home=reader) == []
    exam = ("exam", "check", "--code", "93832-4", "--patient", "patient", "--as", "neighbour", "--within", "36500d")
    attested = (*exam, "--purpose", "HQUALIMP", "--min-attested", 70)
    assert granted.json(*attested, home=reader)["record"] == observation
    (slip,) = granted.json("quality", "slips", home=reader)
    assert (slip["record"], slip["score"]) == (observation, 70)


def test_slip__that_is_false__is_refused_with_its_exit_code(granted: CommandLine, tmp_path: Path) -> None:
    observation = granted.home.observation
    file = listed(tmp_path / "list.csv", "record,score,method", f"{observation},40,100")
    batched(granted, tmp_path / "slips", file)
    true = json.loads((tmp_path / "slips" / f"{observation}.json").read_text())
    for changed, code, error in (
        ({"score": 100}, 5, "IntegrityError"),
        ({"assessor": granted.home.addresses["doctor"]}, 4, "UnknownAttestationError"),
        ({"score": 101}, 2, "InvalidInputError"),
    ):
        false = {**true, "slips": [{**true["slips"][0], **changed}]}
        (tmp_path / "false.json").write_text(json.dumps(false))
        answer = granted("--json", "quality", "take-slip", tmp_path / "false.json")
        assert (answer.code, answer.error["error"]) == (code, error)
    assert granted("quality", "take-slip", tmp_path / "none.json").code == 2
    files = (tmp_path / "none.json", tmp_path / "slips" / f"{observation}.json")
    several = granted("--json", "quality", "take-slip", *files)
    assert (several.code, several.error["file"], len(several.json)) == (2, 1, 1)


def test_slip__of_an_erased_record__goes(granted: CommandLine, tmp_path: Path) -> None:
    observation, scan = granted.home.observation, granted.home.scan
    file = listed(tmp_path / "list.csv", "record,score,method", f"{observation},40,100", f"{scan},80,100")
    batched(granted, tmp_path / "slips", file)
    policy = b'version = 1\njurisdiction = "Examplia"\ndefault = 0\nacknowledge_within = 30\n'
    (granted.home.path / "retention.toml").write_bytes(policy)
    (tmp_path / "why").write_text("consent withdrawn")
    why = ("--reason-file", tmp_path / "why", "--yes")
    granted.json("record", "erase", scan, "--as", "hospital", *why)
    assert [row["record"] for row in granted.json("quality", "slips")] == [observation]
    answer = granted("--json", "quality", "take-slip", tmp_path / "slips" / f"{scan}.json")
    assert (answer.code, answer.error["error"]) == (4, "RecordErasedError")


@pytest.mark.parametrize(
    "lines",
    [
        ["record"],
        ["id,score,method", "{scan},1,100"],
        ["record,score", "{scan},1"],
        ["record,score,method", "{scan},1"],
        ["record,score,method", "{scan},101,100"],
        ["record,score,method", "{scan},1,99"],
        ["record,score,method", "{scan},x,100"],
        pytest.param(["record,score,method", "{scan}," + "1" * 5_000 + ",100"], id="a number of 5,000 digits"),
        ["record,score,method", "{scan},1,100", "{observation},1,101"],
        ["record", "{scan}", "{scan}"],
        ["record", "no record"],
        ["record", '"{scan}'],
    ],
    ids=str,
)
def test_batch__of_a_file_that_cannot_be__is_refused(granted: CommandLine, tmp_path: Path, lines: list[str]) -> None:
    file = listed(tmp_path / "list.csv", *lines)
    file.write_text(file.read_text().format(scan=granted.home.scan, observation=granted.home.observation))
    answer = granted("--json", "quality", "attest-batch", file, "--as", "clinic", "--to", tmp_path / "slips")
    assert (answer.code, answer.error["error"]) == (2, "InvalidInputError")
    missing = tmp_path / "missing.csv"
    assert granted("quality", "attest-batch", missing, "--as", "clinic", "--to", tmp_path / "slips").code == 2
