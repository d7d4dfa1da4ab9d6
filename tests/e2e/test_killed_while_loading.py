"""A load that is killed anywhere and repeated is one load.

given a home with people, and `medshare record publish --batch` in a process of its own
when the process is killed, at 24 points spread over the steps that leave something on a disk, in the deep profile at
each of them, and the command is given again
├─ each record is one, in one batch, and nothing is left to resume
└─ their plaintexts open, and the doctor finds nothing wrong
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from homes import OBSERVATION, CommandLine, Home
from killing import Sweep
from zygote import Zygote, running_zygote

pytestmark = [pytest.mark.e2e, pytest.mark.deep]

LINES = [OBSERVATION.replace(b'"7"', b'"%d"' % hours) for hours in range(5, 10)]


@pytest.fixture(scope="module")
def zygote(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Zygote]:
    with running_zygote(tmp_path_factory.mktemp("zygote")) as running:
        yield running


@pytest.mark.timeout(7_200)
def test_load__killed_anywhere_and_repeated__each_record_is_one(
    people: Home, zygote: Zygote, tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    cli = CommandLine(people, capsysbinary)
    export = tmp_path / "export.ndjson"
    export.write_bytes(b"".join(line + b"\n" for line in LINES))

    def words(home: Home) -> list[str]:
        load = ["record", "publish", "--batch", "--batch-size", "3", str(export)]
        return [*home.options, "--json", *load, "--as", "hospital", "--patient", "patient"]

    for home in Sweep(zygote=zygote, folder=tmp_path, few=24).over(people, words):
        assert cli.bare(*words(home)).code == 0
        assert cli.json("record", "resume", "--as", "hospital", home=home) == []
        rows = cli.json("record", "list", "--patient", "patient", home=home)
        texts = [cli.fetched(row["record"], "patient", home=home) for row in rows]
        assert sorted(texts) == sorted(LINES)
        catalogues = 2
        assert len(cli.json("storage", "pins", home=home)) == len(LINES) + catalogues
        assert {row["health"] for row in cli.json("doctor", home=home)} == {"good"}
