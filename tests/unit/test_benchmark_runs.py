"""A run of the benchmarks: parts are measured one by one, and what one finds is kept apart from the others

given parts
├─ only those that are named are measured, at the scale that is asked for
├─ one that fails is told, and takes neither the others nor what it had found before with it
└─ without measuring, the page is written anew
given figures of a part
└─ they are kept with scale, date, time taken, and the machine
"""

from __future__ import annotations

import json
import sys
from types import ModuleType

import pytest
import report
import run
from scale import Scale

pytestmark = pytest.mark.unit


@pytest.fixture
def results(monkeypatch, tmp_path):
    """Two parts, of which one fails, and a folder for what they find."""
    asked = []

    def figures(scale):
        asked.append(scale)
        return {"answer": 42}

    def failing(_):
        raise ValueError("no figures")

    for name, measuring in (("good", figures), ("bad", failing)):
        module = ModuleType(name)
        module.figures = measuring
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setattr(run, "PARTS", {"bad": "fails", "good": "does not"})
    monkeypatch.setattr(report, "RESULTS", tmp_path)
    monkeypatch.setattr(report, "write", list)
    return tmp_path, asked


def test_run__one_part_fails__keeps_the_others_and_says_which(results, capsys):
    folder, _ = results
    (folder / "bad.json").write_text("{}")

    assert run.main(["--quick", "--only", "bad,good"]) == 1

    assert json.loads((folder / "good.json").read_text())["figures"] == {"answer": 42}
    assert (folder / "bad.json").read_text() == "{}"
    assert "failed: ValueError" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "scale"), [((), Scale.NORMAL), (("--quick",), Scale.QUICK), (("--full",), Scale.FULL)]
)
def test_run__scale__is_passed_on_and_kept(results, options, scale):
    folder, asked = results

    assert run.main([*options, "--only", "good"]) == 0

    kept = json.loads((folder / "good.json").read_text())
    assert asked == [scale]
    assert kept["scale"] == scale.value
    assert kept["part"] == "good"
    assert kept["seconds"] >= 0
    assert kept["machine"]["cores"] >= 1


def test_run__report_alone__measures_nothing(results):
    folder, asked = results

    assert run.main(["--report"]) == 0
    assert asked == []
    assert list(folder.iterdir()) == []


def test_run__unknown_part__is_refused(results, capsys):
    with pytest.raises(SystemExit):
        run.main(["--only", "good,other"])
    assert "there is no part 'other'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("scale", "expected"), [(Scale.QUICK, 1), (Scale.NORMAL, 2), (Scale.FULL, 3)], ids=lambda each: str(each)
)
def test_scale__of__is_what_is_due(scale, expected):
    assert scale.of(1, 2, 3) == expected


def test_scale__full__is_normal_where_nothing_else_is_said():
    assert Scale.FULL.of(1, 2) == 2
