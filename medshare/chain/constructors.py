"""What constructors are told, and what of it can be read again from the code that lies on chain."""

from __future__ import annotations

from collections.abc import Mapping

from medshare.chain.codec import address_word, word
from medshare.chain.consortium_codec import decode_founding, encode_founding
from medshare.chain.development import member_signer
from medshare.chain.networks import NetworkProfile
from medshare.chain.request_codec import encode_setting_up
from medshare.errors import ConfigurationError
from medshare.model.ids import Address


def founding_members(profile: NetworkProfile, deployer: Address) -> tuple[Address, ...]:
    """Return the founding members of a consortium that ``deployer`` would make.

    Raises:
        ConfigurationError: the profile names none, or the one of development networks, and this is no such network; or
            the deployer is one.
    """
    members = profile.deployment.members
    if not members:
        if not profile.has_faucet:
            raise ConfigurationError(
                f"network {profile.name!r} names no founding members of the consortium",
                hint=f'add to networks.toml: [networks.{profile.name}.deployment] members = ["0x…", …]',
            )
        members = (member_signer().address,)
    elif not profile.has_faucet and member_signer().address in members:
        raise ConfigurationError(
            f"network {profile.name!r} names the founding member of development networks, whose key everybody has",
            hint="name the institutions that shall govern",
        )
    if deployer in members:
        raise ConfigurationError(
            f"the deployer {deployer} is named as a founding member",
            hint="deploy from an account of its own: it ends without any right, and that can be proved",
        )
    return members


def constructor_arguments(
    name: str, profile: NetworkProfile, deployer: Address, addresses: Mapping[str, Address]
) -> bytes:
    """Return what the constructor of a contract is told, as it stands behind the creation code.

    Args:
        name: the contract.
        profile: the network's, which holds what was chosen.
        deployer: who deploys.
        addresses: where the contracts before this one lie.

    Raises:
        ConfigurationError: as ``founding_members``.
    """
    chosen = profile.deployment
    match name:
        case "Consortium":
            return encode_founding(founding_members(profile, deployer), chosen.voting_rules)
        case "EmergencyAccess":
            limits = (chosen.longest_episode, chosen.review_period, chosen.most_unreviewed)
            return links(name, addresses) + b"".join(map(word, limits))
        case "AccessRequests":
            asked = (addresses["Consortium"], addresses["ConsentRegistry"])
            return encode_setting_up(*asked, chosen.split, chosen.periods)
        case _:
            return links(name, addresses)


LINKS: Mapping[str, tuple[str, ...]] = {
    "RecordRegistry": ("Consortium",),
    "EmergencyAccess": ("ConsentRegistry", "Consortium"),
    "AccessRequests": ("Consortium", "ConsentRegistry"),
    "Attestations": ("Consortium",),
}
"""Whom a contract asks, as its constructor takes them."""


def links(name: str, addresses: Mapping[str, Address]) -> bytes:
    """Return the beginning of a constructor's arguments: the contracts that it is to ask."""
    return b"".join(address_word(addresses[linked]) for linked in LINKS.get(name, ()))


def immutables(name: str, arguments: bytes) -> list[bytes]:
    """Return the words that a constructor leaves in the code, in no order, its domain apart.

    Args:
        name: the contract.
        arguments: what it was told.
    """
    told = [arguments[at : at + 32] for at in range(0, len(arguments), 32)]
    match name:
        case "Consortium":
            return []
        case "AccessRequests":
            # Each of the two is asked in two parts of it: who governs and accredits, who grants and is in control.
            return told[:2] * 2
        case _:
            return told


def founders_of(arguments: bytes) -> tuple[Address, ...]:
    """Return the founding members that a consortium was told; raises ``BadAnswerError``."""
    founders, _ = decode_founding(arguments)
    return founders
