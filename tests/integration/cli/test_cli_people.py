"""Delegates, guardians, emergencies and the inbox on the command line.

given a home with two records of a patient by a hospital
├─ a neighbour is appointed, reads, grants for the patient, is told to nobody else; denied what only the patient may
├─ guardians are named, sign, propose; objected to; or completed, and the new key reads after the hospital rotated
├─ an emergency: opened, seen first in the inbox, served, read, ended, reviewed; barred; each refusal has its exit code
└─ signed instead of sent: a relayer sends it
"""

from __future__ import annotations

from pathlib import Path

import pytest
from homes import OBSERVATION, CommandLine

from medshare.cli import emergency as emergency_command

pytestmark = pytest.mark.integration


def appoint(cli: CommandLine, *more: object):
    return cli.json("delegate", "appoint", "neighbour", "--as", "patient", "--until", "300d", "--with-access", *more)


def text_file(tmp_path: Path, text: str = "found without papers") -> Path:
    path = tmp_path / "details.txt"
    path.write_text(text)
    return path


def broken(cli: CommandLine, tmp_path: Path, *more: object) -> str:
    for who, kind in (("doctor", "clinician"), ("neighbour", "reviewer")):
        cli.json("consortium", "accredit", who, "--kind", kind, "--until", "365d")
    said = cli.json(
        "emergency", "open", "--as", "doctor", "--patient", "patient", "--reason", "unconscious",
        "--details-file", text_file(tmp_path), *more,
    )  # fmt: skip
    return str(said["episode"])


# ---------------------------------------------------------------------------------------- delegate


def test_delegate__appointed__grants_for_the_patient_and_ends(cli: CommandLine) -> None:
    appointed = appoint(cli)
    assert (appointed["may"], appointed["purposes"], appointed["records_released"]) == (
        ["grant", "revoke"],
        ["TREAT"],
        2,
    )
    grant = ("access", "grant", cli.home.observation, "--to", "doctor", "--until", "1d")
    granted = cli.json(*grant, "--as", "neighbour", "--for", "patient")
    assert cli.fetched(cli.home.observation, "doctor") == OBSERVATION
    trail = cli.json("audit", "trail", "--patient", "patient")
    assert [row["who"] for row in trail if row["event"] == "AccessGranted"] == [
        cli.home.addresses["patient"],
        cli.home.addresses["neighbour"],
    ]
    (row,) = cli.json("delegate", "list", "--patient", "patient")
    assert row["in_force"]
    assert cli.json("delegate", "list", "--delegate", "neighbour") == [row]
    told = cli.json("inbox", "--as", "patient")
    assert [(each["kind"], each["who"]) for each in told] == [("AccessGranted", cli.home.addresses["neighbour"])]
    assert cli.json("inbox", "--as", "patient") == []
    cli.json("access", "revoke", granted["grant"], "--as", "neighbour")
    assert cli("record", "fetch", cli.home.observation, "--as", "doctor").code == 3
    cli.json("delegate", "dismiss", "neighbour", "--as", "neighbour", "--for", "patient")
    refused = cli("--json", *grant, "--as", "neighbour", "--for", "patient")
    assert (refused.code, refused.error["error"]) == (3, "NotAllowedToActError")
    (row,) = cli.json("delegate", "list", "--patient", "patient")
    assert not row["in_force"]


@pytest.mark.parametrize(
    ("words", "error", "code"),
    [
        ("access grant --all --to doctor --until 400d --purpose TREAT", "BeyondDelegationError", 3),
        ("access grant --all --to doctor --until 1d --purpose HRESCH", "BeyondDelegationError", 3),
        ("access revoke-all", "NotAllowedToActError", 3),
        ("delegate appoint stranger --until 1d", "NotAllowedToActError", 3),
        ("guardian name stranger --threshold 1", "NotAllowedToActError", 3),
        ("guardian object", "NotAllowedToActError", 3),
        ("emergency bar", "EpisodeNotAllowedError", 3),
    ],
)
def test_delegate__beyond_what_he_may__is_refused(cli: CommandLine, words: str, error: str, code: int) -> None:
    appoint(cli)
    answer = cli("--json", *words.split(), "--as", "neighbour", "--for", "patient")
    assert (answer.code, answer.out, answer.error["error"]) == (code, b"", error)


@pytest.mark.parametrize(
    "words",
    [
        ["appoint", "patient", "--as", "patient", "--until", "1d"],
        ["appoint", "neighbour", "--as", "patient", "--until", "2020-01-01"],
        ["appoint", "neighbour", "--as", "patient", "--until", "1d", "--label", "HIV"],
        ["appoint", "neighbour", "--as", "patient", "--until", "1d", "--with-access", "--sign-to", "x"],
        ["list"],
    ],
    ids=" ".join,
)
def test_delegate__input_that_cannot_be__is_2(cli: CommandLine, words: list[str]) -> None:
    answer = cli("--json", "delegate", *words)
    assert (answer.code, answer.out) == (2, b"")


def test_delegate__signed_to_a_file__is_appointed_when_a_relayer_sends_it(cli: CommandLine, tmp_path: Path) -> None:
    file = tmp_path / "appoint.json"
    cli.json("delegate", "appoint", "neighbour", "--as", "patient", "--until", "9d", "--sign-to", file, "--yes")
    assert cli.json("delegate", "list", "--patient", "patient") == []
    cli.json("relay", "send", file, "--as", "stranger")
    (row,) = cli.json("delegate", "list", "--patient", "patient")
    assert row["in_force"]


# ---------------------------------------------------------------------------------------- guardian


def guarded(cli: CommandLine, tmp_path: Path) -> tuple[Path, list[Path]]:
    """Name three guardians and have two of them sign; return the circle's file and theirs."""
    circle = tmp_path / "circle.json"
    cli.json(
        "guardian", "name", "doctor", "neighbour", "clinic", "--as", "patient", "--delay", "2d", "--export", circle
    )
    first, second = tmp_path / "first.json", tmp_path / "second.json"
    cli.json("guardian", "sign", "--as", "doctor", "--patient", "patient", "--to", "stranger", "--out", first, "--yes")
    cli.json("guardian", "sign", "--as", "clinic", "--like", first, "--out", second, "--yes")
    return circle, [first, second]


def test_guardian__recovery__gives_the_new_key_what_is_encrypted_anew(
    cli: CommandLine, tmp_path: Path, days_later
) -> None:
    circle, signatures = guarded(cli, tmp_path)
    shown = cli.json("guardian", "show", "--as", "patient")
    assert (shown["threshold"], len(shown["guardians"])) == (2, 3)
    assert cli.json("guardian", "show", "--patient", "patient")["guardians"] is None
    cli.json("inbox", "--as", "patient")
    proposed = cli.json("guardian", "propose", circle, *signatures, "--as", "researcher")
    assert proposed["proposed"] == cli.home.addresses["stranger"]
    waits, told = cli.json("inbox", "--as", "patient")
    assert (waits["kind"], told["kind"], waits["until"]) == ("RecoveryWaits", "RecoveryProposed", proposed["ready_at"])
    early = cli("--json", "guardian", "complete", "--patient", "patient", "--as", "researcher")
    assert (early.code, early.error["error"]) == (1, "RecoveryTooEarlyError")
    assert proposed["ready_at"].replace(" UTC", "Z").replace(" ", "T") in early.error["message"]
    days_later(3)
    completed = cli.json("guardian", "complete", "--patient", "patient", "--as", "researcher")
    assert completed["in_control"] == cli.home.addresses["stranger"]
    assert cli("record", "fetch", cli.home.observation, "--as", "patient").code == 3
    rotated = cli.json("record", "rotate", "--as", "hospital", "--patient", "patient")["rotated"]
    newest = {row["previous"]: row["record"] for row in rotated}[cli.home.observation]
    assert cli.fetched(newest, "stranger") == OBSERVATION
    active = [row["record"] for row in cli.json("record", "list", "--patient", "patient") if row["status"] == "active"]
    assert newest in active
    assert cli.json("record", "list", "--patient", "stranger") == []
    history = cli.json("record", "history", "--as", "stranger", "--patient", "patient")
    assert newest in [row["record"] for row in history["records"]]
    cli.json("access", "grant", "--all", "--as", "stranger", "--for", "patient", "--to", "researcher", "--until", "9d")
    assert cli.fetched(newest, "researcher") == OBSERVATION


def test_guardian__the_patient_objects_with_the_command_of_his_inbox__nothing_happens(
    cli: CommandLine, tmp_path: Path, days_later
) -> None:
    circle, signatures = guarded(cli, tmp_path)
    cli.json("guardian", "propose", circle, *signatures, "--as", "researcher")
    answer = cli.json("inbox", "--as", "patient")[0]["answer"]
    cli.json(*answer.split()[1:])
    assert cli.json("guardian", "show", "--patient", "patient")["proposed"] is None
    days_later(3)
    refused = cli("--json", "guardian", "complete", "--patient", "patient", "--as", "researcher")
    assert (refused.code, refused.error["error"]) == (4, "NoRecoveryError")


def test_guardian__one_signature_or_anothers_circle__is_refused(cli: CommandLine, tmp_path: Path) -> None:
    circle, signatures = guarded(cli, tmp_path)
    few = cli("--json", "guardian", "propose", circle, signatures[0], "--as", "researcher")
    assert few.error["error"] == "GuardiansTooFewError"
    other = tmp_path / "other.json"
    cli.json("guardian", "name", "doctor", "clinic", "--as", "neighbour", "--export", other)
    assert cli("guardian", "propose", other, *signatures, "--as", "researcher").code == 2
    damaged = tmp_path / "damaged.json"
    damaged.write_text("{}")
    assert cli("guardian", "propose", damaged, *signatures, "--as", "researcher").code == 2
    assert cli("guardian", "propose", tmp_path / "none", *signatures, "--as", "researcher").code == 2


@pytest.mark.parametrize(
    "words",
    [
        ["name", "--as", "patient"],
        ["name", "patient", "--as", "patient"],
        ["name", "doctor", "--as", "patient", "--threshold", "2"],
        ["name", "doctor", "--as", "patient", "--delay", "1h"],
        ["name", "doctor", "--none", "--as", "patient"],
        ["show"],
        ["show", "--patient", "patient", "--export", "x"],
        ["show", "--as", "patient", "--export", "x"],
        ["sign", "--as", "doctor", "--out", "x"],
        ["sign", "--as", "doctor", "--patient", "patient", "--to", "stranger", "--like", "y", "--out", "x"],
    ],
    ids=" ".join,
)
def test_guardian__input_that_cannot_be__is_2(cli: CommandLine, words: list[str]) -> None:
    answer = cli("--json", "guardian", *words)
    assert (answer.code, answer.out) == (2, b"")


# --------------------------------------------------------------------------------------- emergency


def test_emergency__from_opening_to_review__is_told_first_and_leaves_nothing_open(
    cli: CommandLine, tmp_path: Path
) -> None:
    assert cli("record", "fetch", cli.home.observation, "--as", "doctor", "--purpose", "BTG").code == 3
    episode = broken(cli, tmp_path)
    first = cli.json("inbox", "--as", "patient")[0]
    assert (first["kind"], first["episode"], first["waits"]) == ("EpisodeInForce", episode, True)
    assert [each["kind"] for each in cli.json("inbox", "--as", "hospital")] == ["KeysWanted", "Accredited"]
    served = cli.json("emergency", "serve", "--as", "hospital", "--once")
    assert served == [{"episode": episode, "records": 2}]
    assert cli.json("emergency", "serve", "--as", "hospital", "--once") == []
    assert cli.fetched(cli.home.observation, "doctor", "--purpose", "BTG") == OBSERVATION
    found = cli.json("record", "history", "--as", "doctor", "--patient", "patient", "--purpose", "BTG")
    assert len(found["records"]) == 2
    shown = cli.json("emergency", "show", episode, "--as", "doctor")
    assert (shown["state"], shown["details"]) == ("in force", "found without papers")
    assert cli.json("inbox", "--as", "doctor")[0]["kind"] == "KeysReleased"
    cli.json("emergency", "end", episode, "--as", "patient")
    for purpose in ("BTG", "TREAT"):
        assert cli("record", "fetch", cli.home.observation, "--as", "doctor", "--purpose", purpose).code == 3
    due, told = cli.json("inbox", "--as", "neighbour")
    assert (due["kind"], told["kind"]) == ("ReviewDue", "Accredited")
    answer = due["answer"].replace("--verdict ...", "--verdict justified").replace("--note-file ...", "--note-file -")
    assert answer.startswith(f"medshare emergency review {episode} --as neighbour --verdict justified --note-file -")
    note = text_file(tmp_path, "seen in the file")
    cli.json("emergency", "review", episode, "--as", "neighbour", "--verdict", "justified", "--note-file", note)
    assert cli.json("inbox", "--as", "neighbour") == []
    (row,) = cli.json("emergency", "list", "--patient", "patient")
    assert (row["state"], row["review"]) == ("over", "justified")
    people = cli("inbox", "--as", "patient", "--all").text
    assert "keys of the patient's records were released — hospital" in people
    assert "unjustified" not in people


def test_emergency__released_by_hand__opens(cli: CommandLine, tmp_path: Path) -> None:
    episode = broken(cli, tmp_path)
    released = cli.json("emergency", "release", episode, "--as", "hospital", "--category", "observation")
    assert released["records"] == [cli.home.observation]
    assert cli.fetched(cli.home.observation, "doctor", "--purpose", "BTG") == OBSERVATION
    assert cli("record", "fetch", cli.home.scan, "--as", "doctor", "--purpose", "BTG").code == 3


def test_emergency__served_in_a_loop__goes_on_until_stopped(
    cli: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    episode = broken(cli, tmp_path)
    waited = []

    def wait(seconds: float) -> None:
        waited.append(seconds)
        if len(waited) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(emergency_command.time, "sleep", wait)
    answer = cli("--json", "emergency", "serve", "--as", "hospital", "--every", "5s")
    assert (answer.code, answer.json, waited) == (130, [{"episode": episode, "records": 2}], [5, 5])


@pytest.mark.parametrize(
    ("words", "error", "code"),
    [
        ("open --as researcher --patient patient --details-file {text}", "NotAccreditedError", 3),
        ("open --as doctor --patient patient --details-file {text}", "EpisodeOpenError", 1),
        ("open --as doctor --patient clinic --duration 9h --details-file {text}", "EpisodeDurationError", 2),
        ("open --as doctor --patient clinic", "ConfigurationError", 1),
        ("open --as doctor --patient clinic --details-file {text}.none", "InvalidInputError", 2),
        ("release 0x7 --as hospital", "UnknownEpisodeError", 4),
        ("release {episode} --as clinic", "InvalidInputError", 2),
        ("end {episode} --as stranger", "EpisodeNotAllowedError", 3),
        ("review {episode} --as stranger --verdict justified --note-file {text}", "NotAccreditedError", 3),
        ("show 0x7", "UnknownEpisodeError", 4),
        ("show nonsense", "InvalidInputError", 2),
    ],
)
def test_emergency__what_may_not_be__is_refused_with_its_code(
    cli: CommandLine, tmp_path: Path, words: str, error: str, code: int
) -> None:
    episode = broken(cli, tmp_path)
    filled = [word.format(episode=episode, text=tmp_path / "details.txt") for word in words.split()]
    more = ["--reason", "incapable"] if words.startswith("open") else []
    answer = cli("--json", "emergency", *filled, *more)
    assert (answer.code, answer.error["error"]) == (code, error)


def test_emergency__barred_or_no_longer_accredited__is_refused(cli: CommandLine, tmp_path: Path) -> None:
    episode = broken(cli, tmp_path)
    cli.json("emergency", "end", episode, "--as", "doctor")
    cli.json("emergency", "bar", "--as", "patient")
    again = (
        "--json", "emergency", "open", "--as", "doctor", "--patient", "patient", "--reason", "incapable",
        "--details-file", tmp_path / "details.txt",
    )  # fmt: skip
    assert (cli(*again).code, cli(*again).error["error"]) == (3, "BreakGlassBarredError")
    cli.json("emergency", "bar", "--as", "patient", "--lift")
    cli.json("consortium", "suspend", "doctor", "--kind", "clinician")
    assert cli(*again).error["error"] == "NotAccreditedError"


def test_inbox__nothing_happened__says_so_and_needs_no_passphrase(cli: CommandLine) -> None:
    answer = cli("inbox", "--as", "stranger", passphrase=False)
    assert (answer.code, answer.text) == (0, "nothing new\n")
    assert cli("inbox", "--as", "nobody").code == 4
