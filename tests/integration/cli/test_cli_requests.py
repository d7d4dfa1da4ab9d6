"""Requests and rewards on the command line, from the study to the withdrawal, on the embedded chain.

given a home with two records of a patient by a hospital, an accredited researcher and an ethics committee
├─ an open call: opened once, approved, offered, accepted, delivered, confirmed, withdrawn; told in inboxes
├─ named patients: offered to them and to nobody else; sealed for the rest
├─ signed into a file, or paid by another; the patient needs no coins, neither to accept nor to withdraw
├─ a policy says what it would do
├─ declined, disputed, released, cancelled, returned, with time passing
├─ erased and forgotten between delivery and confirmation: what is left is confirmed, and nobody is blamed
├─ given again: what is on chain is said to be, with its block, and nothing is sent
└─ what cannot be: each refusal has its exit code, and nothing happens
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from homes import OBSERVATION, PASSPHRASE, CommandLine, make_identity
from studies import REWARD, write_study

from medshare import connect
from medshare.model.accreditation import AccreditationKind
from medshare.model.consent import MAX_TIME

pytestmark = pytest.mark.integration

DAY = 86_400


@pytest.fixture
def town(cli: CommandLine) -> CommandLine:
    """A home in which the researcher is one, and the clinic has an ethics committee."""
    with connect(cli.home.path) as session:
        member = session.chain.development_member()
        for name, kind in (
            ("researcher", AccreditationKind.RESEARCHER),
            ("clinic", AccreditationKind.ETHICS_COMMITTEE),
        ):
            session.ledger.accreditation.accredit(member, session.keyring.resolve(name), kind, MAX_TIME)
    return cli


def opened(town: CommandLine, path: Path, *more: object) -> str:
    number = str(town.json("request", "open", path, "--as", "researcher", *more)["request"])
    if "--patient" not in more:
        town.json("request", "approve", number, "--as", "clinic")
    return number


def accepted(town: CommandLine, path: Path, *more: object) -> str:
    number = opened(town, path)
    town.json("request", "accept", number, "--as", "patient", "--yes", *more)
    return number


def delivered(town: CommandLine, path: Path) -> str:
    number = accepted(town, path)
    town.json("request", "deliver", number, "--patient", "patient", "--as", "hospital")
    return number


def refused(town: CommandLine, *words: object) -> tuple[str, int]:
    answer = town("--json", *words)
    assert answer.out == b""
    return answer.error["error"], answer.code


def kinds(town: CommandLine, who: str) -> list[str]:
    return [row["kind"] for row in town.json("inbox", "--as", who) if row["request"]]


# ------------------------------------------------------------------------------------------- the whole way


def test_open_call__the_whole_way__is_paid_and_withdrawn(town: CommandLine, tmp_path: Path) -> None:
    path = write_study(tmp_path)
    row = town.json("request", "open", path, "--as", "researcher")
    number = str(row["request"])
    assert (row["state"], row["open_call"], row["deposited"], row["already"]) == (
        "awaiting approval",
        True,
        2 * REWARD,
        False,
    )
    assert town.json("request", "open", path, "--as", "researcher")["already"]
    assert kinds(town, "clinic") == ["StudyAwaitsApproval"]
    assert town("request", "offers", "--as", "patient").text == "nobody asks for anything now\n"
    town.json("request", "approve", number, "--as", "clinic")
    assert kinds(town, "patient") == ["RequestOpen"]
    told = town("request", "offers", "--as", "patient").text
    assert "Sleep and blood sugar" in told
    assert "700001 wei" in told
    answer = town("request", "accept", number, "--as", "patient", "--valid-for", "2d", "--yes")
    assert answer.code == 0
    assert "access for a reader" in answer.err
    assert kinds(town, "hospital") == ["DeliveryDue"]
    checked = town.json("request", "deliver", number, "--patient", "patient", "--as", "hospital", "--check")
    assert checked["records"] == [town.home.observation]
    town.json("request", "deliver", number, "--patient", "patient", "--as", "hospital")
    assert "DeliveryToConfirm" in kinds(town, "researcher")
    read = town.fetched(town.home.observation, "researcher", "--purpose", "BIORCH")
    assert read == OBSERVATION
    shown = town.json("request", "show", number)
    assert shown["study"] == "Sleep and blood sugar"
    assert [part["state"] for part in shown["parts"]] == ["delivered"]
    confirmed = town.json("request", "confirm", number, "--patient", "patient", "--as", "researcher")
    assert confirmed["records"] == 1
    account = town.json("reward", "account", number)
    assert (account["deposited"], account["to_patients"], account["held_for_nobody_yet"]) == (
        2 * REWARD,
        700_001,
        REWARD,
    )
    (credit,) = town.json("reward", "show", "--account", "patient")
    assert (credit["token"], credit["can_withdraw"]) == ("native", 700_001)
    done = town.json("reward", "withdraw", "--as", "patient", "--to", "neighbour")
    assert (done["amount"], done["to"]) == (700_001, town.home.addresses["neighbour"])
    assert town.json("reward", "show", "--account", "patient")[0]["can_withdraw"] == 0
    again = town.json("reward", "withdraw", "--as", "patient", "--to", "neighbour")
    assert (done["already"], again) == (False, done | {"already": True})
    told = town("reward", "withdraw", "--as", "patient", "--to", "neighbour").text
    assert "withdrawn before; nothing was sent" in told
    assert refused(town, "reward", "withdraw", "--as", "patient") == ("NothingToWithdrawError", 1)
    file = tmp_path / "nothing.json"
    signing = ["--to", "neighbour", "--sign-to", file, "--yes"]
    assert refused(town, "reward", "withdraw", "--as", "patient", *signing) == ("NothingToWithdrawError", 1)
    assert not file.exists()
    trail = town.json("audit", "trail", "--patient", "patient")
    assert {"RewardReserved", "AccessDelivered", "RewardPaid"} <= {row["event"] for row in trail}


def test_request_show__for_people__tells_parts_in_a_table(town: CommandLine, tmp_path: Path) -> None:
    number = delivered(town, write_study(tmp_path))
    text = town("request", "show", number).text
    for words in ("Sleep and blood sugar", "patient 70 %", "NORELINK", "delivered", "hospital"):
        assert words in text
    listed = town("request", "list", "--patient", "patient").text
    assert number in listed
    assert town.json("request", "list", "--patient", "stranger") == []
    assert len(town.json("request", "list", "--requester", "researcher", "--custodian", "hospital")) == 1


def test_named_patients__only_they__are_offered_it(town: CommandLine, tmp_path: Path) -> None:
    names = tmp_path / "names.txt"
    names.write_text("stranger\n\n")
    number = opened(town, write_study(tmp_path), "--patient", "patient", "--patients-file", names, "--reader", "doctor")
    (row,) = town.json("request", "offers", "--as", "patient")
    assert (row["request"], row["open_call"], row["reward"]) == (int(number), False, 700_001)
    assert len(town.json("request", "offers", "--as", "stranger")) == 1
    assert town.json("request", "offers", "--as", "neighbour") == []
    assert town.json("request", "show", number)["study"].startswith("sealed")
    assert town.json("request", "show", number, "--as", "neighbour")["study"].startswith("sealed")
    for reader in ("patient", "doctor", "researcher"):
        assert town.json("request", "show", number, "--as", reader)["study"] == "Sleep and blood sugar"
    assert refused(town, "request", "approve", number, "--as", "clinic")[0] == "NotARecipientError"
    town.json("request", "accept", number, "--as", "patient", "--yes")


def test_offers__with_a_policy__say_what_it_would_do(town: CommandLine, tmp_path: Path) -> None:
    opened(town, write_study(tmp_path))
    toml, document = tmp_path / "policy.toml", tmp_path / "policy.json"
    toml.write_text('version = 1\n[data_use]\npermission = "HMB"\n[[rules]]\nanswer = "approve"\nduo = ["allowed"]\n')
    document.write_text('{"version": 1, "rules": [{"answer": "decline", "reward_below": 800000}]}')
    (row,) = town.json("request", "offers", "--as", "patient", "--policy", toml)
    assert (row["policy"], row["duo"]) == ("approve", "allowed")
    (row,) = town.json("request", "offers", "--as", "patient", "--policy", document)
    assert (row["policy"], row["duo"]) == ("decline", None)
    assert "your policy" in town("request", "offers", "--as", "patient", "--policy", toml).text
    toml.write_text("version = 9")
    assert refused(town, "request", "offers", "--as", "patient", "--policy", toml) == ("InvalidInputError", 2)


# ---------------------------------------------------------------------------------- patients without coins


def penniless(town: CommandLine) -> None:
    """Make a patient who has no coins, with a record of the hospital."""
    actor = make_identity(town.home.path, "mary")
    town.json("identity", "publish", "mary", "--paid-by", "neighbour", "--yes")
    with connect(town.home.path) as session:
        from medshare.model.record import Category
        from medshare.services.description import Description

        hospital = session.keyring.open("hospital", lambda _: PASSPHRASE)
        description = Description(media_type="application/fhir+json", category=Category.OBSERVATION)
        session.publishing.publish(OBSERVATION, custodian=hospital, patient=actor.address, description=description)


def test_patient_without_coins__signs__and_another_sends_and_pays(town: CommandLine, tmp_path: Path) -> None:
    penniless(town)
    number = opened(town, write_study(tmp_path))
    file = tmp_path / "yes.json"
    signed = town.json("request", "accept", number, "--as", "mary", "--sign-to", file, "--yes")
    assert (signed["request"], signed["custodian"]) == (int(number), town.home.addresses["hospital"])
    assert town.json("request", "show", number)["parts"] == []
    shown = town.json("signed", "show", file)
    assert (shown["signed"], shown["request"], shown["sendable"]) == ("Grant", int(number), True)
    assert f"accepts: request {number}, delivered by hospital" in town("signed", "show", file).text
    assert refused(town, "relay", "send", file, "--as", "neighbour") == ("InvalidInputError", 2)
    assert refused(town, "signed", "discard", file) == ("InvalidInputError", 2)
    first = town.json("request", "submit", file, "--as", "neighbour")
    assert first["block"] is not None
    assert town.json("request", "submit", file, "--as", "stranger")["block"] is None
    town.json("request", "deliver", number, "--patient", "mary", "--as", "hospital")
    town.json("request", "confirm", number, "--patient", "mary", "--as", "researcher")
    done = town.json("reward", "withdraw", "--as", "mary", "--paid-by", "neighbour", "--yes")
    assert done["amount"] == 700_001
    assert town("signed", "show", file).code == 1
    assert not town.json("signed", "discard", file)["bundle_given_up"]
    assert not file.exists()


def test_patient_without_coins__paid_by_another_at_once(town: CommandLine, tmp_path: Path) -> None:
    penniless(town)
    number = opened(town, write_study(tmp_path))
    town.json("request", "accept", number, "--as", "mary", "--paid-by", "neighbour", "--yes")
    assert len(town.json("request", "list", "--patient", "mary")) == 1


def test_withdraw__signed_into_a_file__is_relayed(town: CommandLine, tmp_path: Path) -> None:
    number = delivered(town, write_study(tmp_path))
    town.json("request", "confirm", number, "--patient", "patient", "--as", "researcher")
    file = tmp_path / "withdraw.json"
    town.json("reward", "withdraw", "--as", "patient", "--sign-to", file, "--yes")
    (row,) = town.json("relay", "send", file, "--as", "neighbour")
    assert (row["state"], row["signed"]) == ("done", "Withdraw")
    assert town.json("reward", "show", "--account", "patient")[0]["withdrawn"] == 700_001


def test_accept__permits_less_for_longer__as_was_said(town: CommandLine, tmp_path: Path) -> None:
    path = write_study(tmp_path, wanted={"effect": "permit", "purposes": ["BIORCH"], "everything": True})
    number = opened(town, path)
    said = town.json(
        "request", "accept", number, "--as", "patient", "--category", "imaging", "--until", "90d", "--yes",
        "--delivered-by", "hospital",
    )  # fmt: skip
    found = town.json("request", "deliver", number, "--patient", "patient", "--as", "hospital", "--check")
    assert found["records"] == [town.home.scan]
    terms = town.json("consent", "show", said["grant"], "--as", "researcher")
    assert terms["provisions"] == ["permit BIORCH: imaging"]


def test_accept__nobody_at_the_keyboard__signs_nothing(town: CommandLine, tmp_path: Path) -> None:
    number = opened(town, write_study(tmp_path))
    answer = town("request", "accept", number, "--as", "patient")
    assert answer.code == 1
    assert "nobody is there" in answer.err
    assert town.json("request", "show", number)["parts"] == []


# ------------------------------------------------------------------------------------ what else may happen


def test_decline__nothing_there__the_patient_accepts_anew(town: CommandLine, tmp_path: Path) -> None:
    wanted = {"effect": "permit", "purposes": ["BIORCH"], "categories": ["laboratory"]}
    number = accepted(town, write_study(tmp_path, wanted=wanted))
    assert refused(town, "request", "deliver", number, "--patient", "patient", "--as", "hospital") == (
        "InvalidInputError",
        2,
    )
    town.json("request", "decline", number, "--patient", "patient", "--as", "hospital")
    assert [part["state"] for part in town.json("request", "show", number)["parts"]] == ["declined"]
    assert "DeliveryDeclined" in kinds(town, "patient")
    town.json("request", "accept", number, "--as", "patient", "--yes")


def test_given_again__what_is_on_chain__is_said_to_be(town: CommandLine, tmp_path: Path) -> None:
    number = str(town.json("request", "open", write_study(tmp_path), "--as", "researcher")["request"])
    whose = ("--patient", "patient")
    steps = (
        ("approve", "--as", "clinic"),
        ("accept", "--as", "patient", "--yes"),
        ("decline", *whose, "--as", "hospital"),
        ("accept", "--as", "patient", "--yes"),
        ("deliver", *whose, "--as", "hospital"),
        ("confirm", *whose, "--as", "researcher"),
        ("release", *whose, "--as", "stranger"),
        ("cancel", "--as", "researcher"),
    )
    for verb, *more in steps:
        words = ("request", verb, number, *more)
        first = town.json(*words)
        if verb == "accept":
            continue
        again = town.json(*words)
        assert (first["already"], again["already"]) == (verb == "release", True)
        assert again["block"] == first["block"]
        assert "before; nothing was sent" in town(*words).text
    delivered_again = town.json("request", "deliver", number, *whose, "--as", "hospital")
    assert (delivered_again["score"], len(delivered_again["bundle"])) == (0, 64)
    events = [row["event"] for row in town.json("audit", "trail", "--patient", "patient")]
    assert [events.count(each) for each in ("DeliveryDeclined", "AccessDelivered", "RewardPaid")] == [1, 1, 1]


EVERYTHING = {"effect": "permit", "purposes": ["BIORCH"], "everything": True}


def erase_and_forget(town: CommandLine, tmp_path: Path, *records: str) -> None:
    (town.home.path / "retention.toml").write_text(
        'version = 1\njurisdiction = "Examplia"\ndefault = 0\nacknowledge_within = 30\n'
    )
    (tmp_path / "why").write_text("consent withdrawn")
    for each in records:
        town.json("record", "erase", each, "--as", "hospital", "--reason-file", tmp_path / "why", "--yes")
        forgotten = town.json("record", "forget", each, "--as", "patient")
        assert (forgotten["finished"], len(forgotten["grants_renewed"])) == (True, 1)


def test_confirm__erased_and_forgotten_since__what_is_left_is_confirmed(town: CommandLine, tmp_path: Path) -> None:
    number = delivered(town, write_study(tmp_path, wanted=EVERYTHING))
    erase_and_forget(town, tmp_path, town.home.scan)
    confirm = ("request", "confirm", number, "--patient", "patient", "--as", "researcher")
    told = town(*confirm).text
    assert "the patient has put another bundle in the place of the delivered one" in told
    assert re.search(r"records +1\n", told)
    assert [part["state"] for part in town.json("request", "show", number)["parts"]] == ["paid"]


def test_confirm__all_was_erased_and_forgotten_since__is_earned_all_the_same(
    town: CommandLine, tmp_path: Path, days_later
) -> None:
    number = delivered(town, write_study(tmp_path, wanted=EVERYTHING))
    erase_and_forget(town, tmp_path, town.home.scan, town.home.observation)
    confirm = ("request", "confirm", number, "--patient", "patient", "--as", "researcher")
    assert refused(town, *confirm) == ("DeliveryGoneError", 3)
    days_later(15)
    town.json("request", "release", number, "--patient", "patient", "--as", "stranger")
    assert town.json("reward", "show", "--account", "patient")[0]["can_withdraw"] == 700_001


def test_dispute__undecided__is_released_when_its_time_is_over(town: CommandLine, tmp_path: Path, days_later) -> None:
    number = delivered(town, write_study(tmp_path))
    reason = tmp_path / "why.txt"
    reason.write_text("the values are empty")
    said = town.json(
        "request", "dispute", number, "--patient", "patient", "--reason-file", reason, "--as", "researcher"
    )
    assert said["paid_unless_decided_by"]
    assert "DeliveryDisputed" in kinds(town, "patient")
    release = ("request", "release", number, "--patient", "patient", "--as", "stranger")
    assert refused(town, *release) == ("RequestTooEarlyError", 1)
    days_later(31)
    town.json(*release)
    assert town.json("reward", "show", "--account", "patient")[0]["can_withdraw"] == 700_001


def test_end__cancelled_or_past_the_deadline__money_goes_back(town: CommandLine, tmp_path: Path, days_later) -> None:
    number = accepted(town, write_study(tmp_path))
    town.json("request", "cancel", number, "--as", "researcher")
    assert town.json("reward", "account", number)["returned"] == REWARD
    other = opened(town, write_study(tmp_path, title="Another"))
    back = ("request", "return-unearned", other, "--as", "stranger")
    assert refused(town, *back) == ("RequestTooEarlyError", 1)
    days_later(21)
    assert "MoneyUnearned" in kinds(town, "researcher")
    town.json(*back)
    assert town.json("reward", "account", other)["returned"] == 2 * REWARD
    assert town.json("reward", "show", "--account", "researcher")[0]["can_withdraw"] == 3 * REWARD


@pytest.mark.parametrize(
    ("words", "error", "code"),
    [
        ("request show 9", "UnknownRequestError", 4),
        ("request show x", "InvalidInputError", 2),
        ("request accept 9 --as patient --yes", "UnknownRequestError", 4),
        ("request accept 1 --as patient --yes --delivered-by doctor", "InvalidInputError", 2),
        ("request accept 1 --as stranger --yes", "InvalidInputError", 2),
        ("request approve 1 --as stranger", "RequestNotAccreditedError", 3),
        ("request cancel 1 --as stranger", "RequestNotAllowedError", 3),
        ("request deliver 1 --patient patient --as hospital", "ReservationNotError", 1),
        ("request confirm 1 --patient patient --as researcher", "ReservationNotError", 1),
        ("reward account 9", "UnknownRequestError", 4),
        ("reward withdraw --as patient", "NothingToWithdrawError", 1),
    ],
)
def test_refused__with_its_exit_code__and_nothing_happens(
    town: CommandLine, tmp_path: Path, words: str, error: str, code: int
) -> None:
    opened(town, write_study(tmp_path))
    assert refused(town, *words.split()) == (error, code)
    assert town.json("request", "show", "1")["parts"] == []


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"reward": 1 << 127}, "InsufficientFundsError"),
        ({"reward": 1 << 128}, "InvalidInputError"),
        ({"grants": 0}, "InvalidInputError"),
        ({"deadline": "2020-01-01T00:00:00Z"}, "RequestTermsInvalidError"),
        ({"category": 77}, "RequestCategoryUnknownError"),
        ({"token": "0x" + "70" * 20}, "TokenNotAllowedError"),
        ({"requester": "0x" + "70" * 20}, "InvalidInputError"),
        ({"more": 1}, "InvalidInputError"),
    ],
    ids=str,
)
def test_open__that_cannot_be__is_refused(town: CommandLine, tmp_path: Path, change: dict, error: str) -> None:
    found, _ = refused(town, "request", "open", write_study(tmp_path, **change), "--as", "researcher")
    assert found == error
    assert town.json("request", "list") == []


def test_open__more_grants_than_named_patients__is_refused_and_says_how_many(town: CommandLine, tmp_path: Path) -> None:
    answer = town("request", "open", write_study(tmp_path), "--as", "researcher", "--patient", "patient")
    assert answer.code == 2
    assert 'hint: say "grants": 1 in the study' in answer.err
    assert town.json("request", "list") == []


def test_open__not_accredited__is_denied(town: CommandLine, tmp_path: Path) -> None:
    assert refused(town, "request", "open", write_study(tmp_path), "--as", "doctor") == ("RequestNotAccreditedError", 3)
