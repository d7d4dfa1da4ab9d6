"""Commands in hints have the options that were given, so that a copied one reaches the same home and network."""

from __future__ import annotations

import pytest

from medshare.cli.hints import respelled

pytestmark = pytest.mark.integration


@pytest.mark.parametrize(
    ("home", "network", "expected"),
    [
        (None, None, "run: medshare doctor"),
        ("/srv/a b", None, "run: medshare --home '/srv/a b' doctor"),
        (None, "clinic", "run: medshare --network clinic doctor"),
        ("x", "clinic", "run: medshare --home x --network clinic doctor"),
        ("\\1", None, "run: medshare --home '\\1' doctor"),
    ],
)
def test_respelled__options_given__stand_in_the_command(home: str | None, network: str | None, expected: str) -> None:
    assert respelled("run: medshare doctor", home=home, network=network) == expected


@pytest.mark.parametrize(
    "text", ["this medshare reads version 2", "no medshare home in /x", "another medshare process"]
)
def test_respelled__no_command__stays_as_it_is(text: str) -> None:
    assert respelled(text, home="x", network="y") == text
