"""A folder into which signed messages are laid, and in which their outcomes appear.

given files that hold signed messages
├── what is done should lie under done, what is refused under refused, each with its outcome beside it
└── what waits its turn should stay where it is, and have no outcome yet
given a file that is none, or is still being written
├── links, folders, pipes, files too large, without rights, or of something else: refused, never opened
└── a name that begins with a dot should be left alone
given names that are taken, or absurdly long
└── nothing should be overwritten, and nothing lost
given a relayer that broke off between the chain and the folder
└── the next round should put the file away with the outcome of the first
given rounds without end
└── a round that fails should be told, and the next go on
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from relay_doubles import DOMAIN, HOUR, NOW, FakeHead, FakeRelay, FakeWallets, forged, person, revocation

from medshare.errors import ConfigurationError, LedgerUnavailableError, UnknownGrantError
from medshare.model.typed_data import MAX_SIGNED_MESSAGE_SIZE
from medshare.services.drop_box import DropBox
from medshare.services.rate_limits import RateLimit
from medshare.services.relaying import Relaying, RelayPolicy, RelayState
from medshare.testing import FakeClock

pytestmark = pytest.mark.unit

MARY, JOHN = person(1), person(2)


class Box:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.relay = FakeRelay()
        self.head = FakeHead(FakeClock(NOW))
        relaying = Relaying(
            relay=self.relay,
            chain=self.head,
            payer=person(0),
            domains={"ConsentRegistry": DOMAIN},
            wallets=FakeWallets(),
            clock=FakeClock(NOW),
            folder=folder / "state",
            policy=RelayPolicy(each=RateLimit(most=3, period=HOUR)),
        )
        self.drop_box = DropBox(folder / "box", relaying)

    def lay(self, name: str, content: bytes) -> Path:
        path = self.folder / "box" / "pending" / name
        path.write_bytes(content)
        return path

    def handle(self):
        return {one.name: one.state for one in self.drop_box.handle()}

    def tree(self) -> set[str]:
        root = self.folder / "box"
        return {path.relative_to(root).as_posix() for path in root.rglob("*") if not path.is_dir() or path.is_symlink()}

    def outcome(self, place: str):
        return json.loads((self.folder / "box" / f"{place}.outcome.json").read_text())


@pytest.fixture
def box(tmp_path) -> Box:
    return Box(tmp_path)


def test_handle__good_refused_and_waiting__each_in_its_place(box) -> None:
    refused = revocation(MARY, 9)
    box.relay.refusals[refused.digest] = UnknownGrantError(7)
    for number in range(1, 5):
        box.lay(f"{number}.json", revocation(MARY, number).to_json())
    box.lay("refused.json", refused.to_json())
    box.lay("forged.json", forged(revocation(JOHN)).to_json())

    assert box.handle() == {
        **dict.fromkeys(("1.json", "2.json", "3.json"), RelayState.DONE),
        "4.json": RelayState.LATER,
        "refused.json": RelayState.REFUSED,
        "forged.json": RelayState.REFUSED,
    }
    assert box.tree() == {
        *(f"done/{number}.json{ending}" for number in (1, 2, 3) for ending in ("", ".outcome.json")),
        "pending/4.json",
        *(f"refused/{name}.json{ending}" for name in ("refused", "forged") for ending in ("", ".outcome.json")),
    }
    assert box.outcome("done/1.json") == {
        "state": "done",
        "struct": "Revoke",
        "digest": "0x" + revocation(MARY, 1).digest.hex(),
        "transaction": "0x" + "01" * 32,
        "block": 1,
    }
    told = box.outcome("refused/refused.json")
    assert (told["state"], told["error"], told["reason"]) == ("refused", "UnknownGrantError", str(UnknownGrantError(7)))


def test_handle__put_away_file__is_the_one_that_was_laid_there(box) -> None:
    box.lay("mine.json", revocation(MARY).to_json())
    box.handle()

    assert (box.folder / "box/done/mine.json").read_bytes() == revocation(MARY).to_json()
    assert (box.folder / "box/done/mine.json.outcome.json").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    "content",
    [b"", b"{}", b"\xff\xfe", b"[" * 100_000, b" " * (MAX_SIGNED_MESSAGE_SIZE + 1), revocation(MARY).to_json()[:-1]],
    ids=["empty", "object", "no text", "deep", "large", "cut"],
)
def test_handle__no_signed_message__is_refused_and_keeps_no_other_back(content, box) -> None:
    box.lay("bad.json", content)
    box.lay("good.json", revocation(MARY).to_json())

    assert box.handle() == {"bad.json": RelayState.REFUSED, "good.json": RelayState.DONE}
    assert box.outcome("refused/bad.json")["error"] == "InvalidInputError"


def test_handle__link_folder_or_pipe__is_refused_without_being_opened(box, tmp_path) -> None:
    secret = tmp_path / "secret.json"
    secret.write_bytes(revocation(MARY).to_json())
    pending = tmp_path / "box" / "pending"
    (pending / "link").symlink_to(secret)
    (pending / "folder").mkdir()
    os.mkfifo(pending / "pipe")

    assert box.handle() == dict.fromkeys(("link", "folder", "pipe"), RelayState.REFUSED)
    assert secret.exists()
    assert list(pending.iterdir()) == []
    assert box.relay.batches == []


def test_handle__still_being_written__is_left_alone(box) -> None:
    box.lay(".mine.json.part", revocation(MARY).to_json())

    assert box.handle() == {}
    assert box.tree() == {"pending/.mine.json.part"}


def test_handle__same_name_again__overwrites_nothing(box) -> None:
    for number in (1, 2, 3):
        box.lay("mine.json", revocation(MARY, number).to_json())
        assert box.handle() == {"mine.json": RelayState.DONE}

    done = sorted(path for path in (box.folder / "box" / "done").iterdir() if not path.name.endswith(".outcome.json"))
    assert {path.read_bytes() for path in done} == {revocation(MARY, number).to_json() for number in (1, 2, 3)}
    assert len(done) == 3
    assert all(path.with_name(path.name + ".outcome.json").is_file() for path in done)


@pytest.mark.parametrize("name", ["x" * 255, "é" * 127, "a\nb\x1b[31m.json", "-rf", "nul\x7f"])
def test_handle__strange_name__is_put_away_all_the_same(name, box) -> None:
    box.lay(name, revocation(MARY).to_json())

    assert box.handle() == {name: RelayState.DONE}
    files = list((box.folder / "box" / "done").iterdir())
    assert len(files) == 2
    assert revocation(MARY).to_json() in {path.read_bytes() for path in files}


def test_handle__two_files_of_one_message__are_done_once(box) -> None:
    box.lay("one.json", revocation(MARY).to_json())
    box.lay("two.json", revocation(MARY).to_json())

    assert box.handle() == dict.fromkeys(("one.json", "two.json"), RelayState.DONE)
    assert len(box.relay.batches) == 1
    assert box.outcome("done/one.json")["transaction"] == box.outcome("done/two.json")["transaction"]


def test_handle__broke_off_before_it_was_put_away__has_the_first_outcome(box, monkeypatch) -> None:
    box.lay("mine.json", revocation(MARY).to_json())
    with monkeypatch.context() as patched:
        patched.setattr(Path, "rename", _broken)
        with pytest.raises(ConfigurationError, match="put away"):
            box.handle()

    assert box.handle() == {"mine.json": RelayState.DONE}
    assert box.tree() == {"done/mine.json", "done/mine.json.outcome.json"}
    assert box.outcome("done/mine.json")["block"] == 1
    assert len(box.relay.batches) == 1


def _broken(*_arguments):
    raise PermissionError


def test_handle__taken_away_meanwhile__is_no_error(box) -> None:
    path = box.lay("mine.json", revocation(MARY).to_json())
    rehearse = box.relay.rehearse

    def meanwhile(payer, signed):
        path.unlink()
        return rehearse(payer, signed)

    box.relay.rehearse = meanwhile
    assert box.handle() == {"mine.json": RelayState.DONE}
    assert "pending/mine.json" not in box.tree()


def test_handle__taken_away_before_it_is_read__is_passed_over(box, monkeypatch) -> None:
    box.lay("mine.json", revocation(MARY).to_json())
    names = box.drop_box._names
    monkeypatch.setattr(box.drop_box, "_names", lambda: ["gone.json", *names()])

    assert box.handle() == {"mine.json": RelayState.DONE}


def test_handle__chain_is_lost__everything_stays(box) -> None:
    box.lay("mine.json", revocation(MARY).to_json())
    box.head.fault = LedgerUnavailableError("no node")

    with pytest.raises(LedgerUnavailableError):
        box.drop_box.handle()
    assert box.tree() == {"pending/mine.json"}


def test_serve__round_after_round__tells_what_came_and_what_went_wrong(box) -> None:
    told, troubles, pauses = [], [], []

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 1:
            box.lay("first.json", revocation(MARY).to_json())
        elif len(pauses) == 2:
            box.head.fault = LedgerUnavailableError("no node")
            box.lay("second.json", revocation(JOHN).to_json())
        else:
            box.head.fault = None

    box.drop_box.serve(
        every=5.0, sleep=sleep, stopped=lambda: len(pauses) == 4, told=told.append, troubled=troubles.append
    )

    assert [[(one.name, one.state) for one in handled] for handled in told] == [
        [("first.json", RelayState.DONE)],
        [("second.json", RelayState.DONE)],
    ]
    assert [str(error) for error in troubles] == ["no node"]
    assert pauses == [5.0] * 4


def test_serve__folder_is_gone__ends(box) -> None:
    (box.folder / "box" / "pending").rmdir()

    with pytest.raises(ConfigurationError, match="cannot be read"):
        box.drop_box.serve(
            every=1.0, sleep=lambda _: None, stopped=lambda: False, told=lambda _: None, troubled=lambda _: None
        )
