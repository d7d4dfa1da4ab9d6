"""Network profiles.

given no file
└── embedded and anvil should be known
given a file
├── it should add networks and override keys of the built-in ones
├── a node of one's own may have a faucet
├── what a deployment is made with should be read, or be the usual
└── unknown keys, wrong types, wrong ranges, and nonsense should be refused by name
given the guide for those who deploy
└── it should list every key, with its default, and the account that has a development chain's coins
given a URL with a secret
└── the secret should appear in no repr, endpoint or error
"""

from __future__ import annotations

import re
import tomllib
import traceback
from dataclasses import MISSING, fields, replace
from pathlib import Path

import pytest

from medshare.chain.networks import DeploymentChoices, Faucet, NetworkKind, NetworkProfile, load_network, load_networks
from medshare.chain.opening import genesis_signer
from medshare.errors import ConfigurationError, UnknownNetworkError
from medshare.model.emergency import EmergencyLimits
from medshare.model.proposal import VotingRules
from medshare.model.request import DAY, Periods, Split

pytestmark = pytest.mark.unit

MEMBER = "0x90F79bf6EB2c4f870365E785982E1f101E93b906"
SECRET = "canary-5a1e"
GUIDE = Path(__file__).resolve().parents[3] / "docs" / "deploying.md"


def _file(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "networks.toml"
    path.write_text(text)
    return path


def test_load_networks__no_file__knows_the_built_in_ones() -> None:
    networks = load_networks()
    assert networks["embedded"].kind is NetworkKind.EMBEDDED
    assert networks["embedded"].faucet is Faucet.GENESIS
    assert networks["anvil"].url == "http://127.0.0.1:8545"
    assert networks["anvil"].chain_id == 31337


def test_guide__lists_every_key_with_its_default() -> None:
    listed = dict(re.findall(r"^\| `(\w+)` \|.*\| (.+?) \|$", GUIDE.read_text(), re.MULTILINE))
    optional = {each.name: each.default for each in fields(NetworkProfile) if each.default not in (MISSING, None)}
    optional |= {each.name: each.default for each in fields(DeploymentChoices) if each.default is not None}
    keys = {each.name for kind in (NetworkProfile, DeploymentChoices) for each in fields(kind)}
    assert set(listed) == keys - {"name", "deployment"}
    del optional["deployment"]
    optional |= {name: list(optional[name]) for name in ("members", "urls")}
    assert {key: tomllib.loads(f"value = {listed[key].strip('`')}")["value"] for key in optional} == optional


def test_guide__names_the_account_with_the_coins_of_the_first_block() -> None:
    assert genesis_signer().address in GUIDE.read_text()


def test_load_networks__node_of_ones_own_with_a_faucet__is_a_development_network(tmp_path: Path) -> None:
    lines = '[networks.mine]\nkind = "rpc"\nchain_id = 5\nurl = "http://a"\nfaucet = "genesis"\n'
    assert load_networks(_file(tmp_path, lines))["mine"].has_faucet


def test_load_network__unknown_name__says_which_are_known() -> None:
    with pytest.raises(UnknownNetworkError) as caught:
        load_network("nowhere")
    assert "anvil, embedded" in caught.value.hint


def test_load_networks__file__adds_and_overrides(tmp_path: Path) -> None:
    path = _file(
        tmp_path,
        """
        [networks.anvil]
        url = "http://127.0.0.1:9999"
        [networks.hospitals]
        kind = "rpc"
        url = "https://node.example/${NODE_TOKEN}"
        chain_id = 4711
        poa = true
        confirmations = 3
        fees = "zero"
        max_fee_gwei = 2.5
        """,
    )
    networks = load_networks(path)
    assert networks["anvil"].url == "http://127.0.0.1:9999"
    assert networks["anvil"].chain_id == 31337
    assert networks["hospitals"].poa
    assert networks["hospitals"].resolved_url({"NODE_TOKEN": "t"}) == "https://node.example/t"


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ('kind = "rpc"\nurl = "http://a"', "chain_id"),
        ('chain_id = 5\nurl = "http://a"', "kind"),
        ('kind = "rpc"\nchain_id = 5', "url"),
        ('kind = "embedded"\nchain_id = 5\nurl = "http://a"', "url"),
        ('kind = "rpc"\nchain_id = 5\nurl = "ftp://a"', "url"),
        ('kind = "rpc"\nchain_id = 5\nurl = 5', "url"),
        ('kind = "rpc"\nchain_id = 5\nurls = ["http://a"]', "url"),
        ('kind = "embedded"\nchain_id = 5\nurls = ["http://a"]', "urls"),
        ('kind = "rpc"\nchain_id = 5\nurl = "http://a"\nurls = "http://b"', "urls"),
        ('kind = "rpc"\nchain_id = 5\nurl = "http://a"\nurls = [5]', "urls"),
        ('kind = "rpc"\nchain_id = 5\nurl = "http://a"\nurls = ["ftp://b"]', "urls"),
        ('kind = "rpc"\nchain_id = 5\nurl = "http://a"\nurls = ["http://a"]', "urls"),
        ('kind = "rpc"\nchain_id = 5\nurl = "http://a"\nurls = ["http://b", "http://b"]', "urls"),
        (f'kind = "rpc"\nchain_id = 5\nurl = "http://a"\nurls = {[f"http://b{n}" for n in range(9)]}', "urls"),
        ('kind = "rpc"\nchain_id = 5\nurl = "http://a"\nmust_agree = true', "must_agree"),
        ('kind = "rpc"\nchain_id = 5\nurl = "http://a"\nfinalized = 1', "finalized"),
        ('kind = "rpc"\nchain_id = 5\nurl = "http://a"\nmax_lag = 0', "max_lag"),
        ('kind = "rpc"\nchain_id = 0\nurl = "http://a"', "chain_id"),
        ('kind = "rpc"\nchain_id = true\nurl = "http://a"', "chain_id"),
        ('kind = "rpc"\nchain_id = 5.5\nurl = "http://a"', "chain_id"),
        ('kind = "rpc"\nchain_id = 5\nurl = "http://a"\ncolour = 1', "colour"),
        ('kind = "rpc"\nchain_id = 5\nurl = "http://a"\npoa = 1', "poa"),
        ('kind = "rpc"\nchain_id = 5\nurl = "http://a"\nconfirmations = 0', "confirmations"),
        ('kind = "rpc"\nchain_id = 5\nurl = "http://a"\ntimeout = nan', "timeout"),
        ('kind = "rpc"\nchain_id = 5\nurl = "http://a"\nfees = "generous"', "fees"),
        ('kind = "rpc"\nchain_id = 5\nurl = "http://a"\nfaucet = "generous"', "faucet"),
        ('kind = "embedded"\nchain_id = 5\nfaucet = "anvil"', "faucet"),
        ('kind = "smoke"\nchain_id = 5', "kind"),
        ('kind = "embedded"\nchain_id = 5\ndeployment = 5', "deployment"),
        ('kind = "embedded"\nchain_id = 5\n[networks.mine.deployment]\ncolour = 5', "deployment.colour"),
        ('kind = "embedded"\nchain_id = 5\n[networks.mine.deployment]\nlongest_episode = 59', "longest_episode"),
        ('kind = "embedded"\nchain_id = 5\n[networks.mine.deployment]\nlongest_episode = true', "longest_episode"),
        ('kind = "embedded"\nchain_id = 5\n[networks.mine.deployment]\nreview_period = 0', "review_period"),
        ('kind = "embedded"\nchain_id = 5\n[networks.mine.deployment]\nmost_unreviewed = 257', "most_unreviewed"),
        ('kind = "embedded"\nchain_id = 5\n[networks.mine.deployment]\nmembers = ["me"]', "members"),
        ('kind = "embedded"\nchain_id = 5\n[networks.mine.deployment]\nmembers = 5', "members"),
        ('kind = "embedded"\nchain_id = 5\n[networks.mine.deployment]\nmembers = [5]', "members"),
        (f'kind = "embedded"\nchain_id = 5\n[networks.mine.deployment]\nmembers = ["{MEMBER}", "{MEMBER}"]', "members"),
        (f'kind = "embedded"\nchain_id = 5\n[networks.mine.deployment]\nmembers = ["0x{"0" * 40}"]', "members"),
        ('kind = "embedded"\nchain_id = 5\n[networks.mine.deployment]\nquorum = 50', "quorum"),
        ('kind = "embedded"\nchain_id = 5\n[networks.mine.deployment]\nvoting_period = 3599', "voting_period"),
        ('kind = "embedded"\nchain_id = 5\n[networks.mine.deployment]\npatient_share = 10001', "patient_share"),
        ('kind = "embedded"\nchain_id = 5\n[networks.mine.deployment]\npatient_share = 8001', "custodian_share"),
        ('kind = "embedded"\nchain_id = 5\n[networks.mine.deployment]\ndispute_period = 0', "dispute_period"),
        ('kind = "embedded"\nchain_id = 5\n[networks.mine.deployment]\ndecision_period = 7776001', "decision_period"),
    ],
)
def test_load_networks__field_that_cannot_be__is_named(tmp_path: Path, lines: str, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        load_networks(_file(tmp_path, f"[networks.mine]\n{lines}\n"))


def test_load_networks__what_a_deployment_is_made_with__is_read_or_the_usual(tmp_path: Path) -> None:
    lines = f'[networks.anvil.deployment]\nmembers = ["{MEMBER.lower()}"]\nreview_period = 7200\nquorum = 67\n'
    chosen = load_networks(_file(tmp_path, lines))["anvil"].deployment
    assert (chosen.members, chosen.longest_episode, chosen.review_period) == ((MEMBER,), 4 * 3600, 7200)
    assert chosen.voting_rules == VotingRules(quorum=67, voting_period=7 * DAY)
    assert chosen.split == Split(patient=7_000, custodian=2_000)
    assert chosen.periods == Periods(dispute_period=14 * DAY, decision_period=30 * DAY)
    assert chosen.limits == EmergencyLimits(longest_episode=4 * 3600, review_period=7200, most_unreviewed=16)
    assert load_network("anvil").deployment.members == ()


@pytest.mark.parametrize("text", ["[networks", "[servers.a]\nx = 1", "networks = 5", "[networks]\nmine = 5", "\udc80"])
def test_load_networks__malformed_file__is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "networks.toml"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(ConfigurationError):
        load_networks(path)


def test_load_networks__name_that_could_be_a_path__is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="name"):
        load_networks(_file(tmp_path, '[networks."../x"]\nkind = "embedded"\nchain_id = 5\n'))


def test_load_networks__missing_file__is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read"):
        load_networks(tmp_path / "none.toml")


def test_url__with_a_secret__is_shown_nowhere(tmp_path: Path) -> None:
    anvil = load_network("anvil")
    profile = replace(anvil, url=f"https://user:{SECRET}@node.example:8443/{SECRET}?key={SECRET}")
    assert profile.endpoint == "https://node.example:8443"
    assert SECRET not in f"{profile!r} {profile} {profile.endpoint}"


def test_networks_file__malformed_around_a_secret__quotes_nothing(tmp_path: Path) -> None:
    path = _file(tmp_path, f'[networks.mine]\nurl = "{SECRET}\n')
    with pytest.raises(ConfigurationError) as caught:
        load_networks(path)
    assert SECRET not in "".join(traceback.format_exception(caught.value))


def test_resolved_url__variable_not_set__is_named() -> None:
    profile = replace(load_network("anvil"), url="http://127.0.0.1/${TOKEN_OF_MINE}")
    with pytest.raises(ConfigurationError, match="TOKEN_OF_MINE"):
        profile.resolved_url({})


def test_endpoint__named_by_the_environment__is_the_variables_name() -> None:
    assert replace(load_network("anvil"), url="${CLINIC_NODE}/path").endpoint == "from ${CLINIC_NODE}"


@pytest.mark.parametrize("url", ["http://", "https:///path", "http://:8545"])
def test_url__without_a_host__is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError, match="with a host"):
        replace(load_network("anvil"), url=url)


def test_urls__with_secrets__are_filled_in_and_shown_nowhere(tmp_path: Path) -> None:
    path = _file(
        tmp_path,
        """
        [networks.two]
        kind = "rpc"
        chain_id = 5
        url = "https://one.example/${ONE}"
        urls = ["https://user:canary@two.example:8545/canary", "${THREE}"]
        """,
    )
    profile = load_network("two", path)
    assert profile.endpoints == ("https://one.example", "https://two.example:8545", "from ${THREE}")
    environ = {"ONE": "canary", "THREE": "http://three.example/canary"}
    assert profile.resolved_urls(environ)[::2] == ("https://one.example/canary", "http://three.example/canary")
    assert profile.resolved_url(environ) == "https://one.example/canary"
    with pytest.raises(ConfigurationError, match="THREE"):
        profile.resolved_urls({"ONE": "canary"})
    assert "canary" not in repr(profile) + str(profile.endpoints)


def test_profiles__of_the_guide__are_profiles(tmp_path: Path) -> None:
    section = GUIDE.read_text().partition("## Profiles")[2]
    path = tmp_path / "networks.toml"
    path.write_text(section.partition("```toml\n")[2].partition("```")[0])
    networks = load_networks(path)
    assert {"geth-dev", "clique", "qbft", "sepolia", "l2", "legacy"} < set(networks)
    assert networks["sepolia"].finalized
    assert len(networks["clique"].endpoints) == 2
