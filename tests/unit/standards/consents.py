"""Consents as they are given on chain, and people, for the tests of standards."""

from __future__ import annotations

from collections.abc import Sequence

from consent_table import BEGIN, HOSPITAL, PATIENT, Given
from test_decide import grants

from medshare.model.consent import Consent, Grant, Provision, Terms
from medshare.model.ids import BundleId, address
from medshare.model.labels import ORDINARY
from medshare.model.provision import Effect
from medshare.standards.fhir_consent import Known
from medshare.standards.given import GivenConsent

CHAIN = 1337
REGISTRY = address("0x" + "c0" * 20)
KNOWN = Known(chain_id=CHAIN)


def given_consent(*provisions: Provision, **more) -> GivenConsent:
    return as_given(Given(provisions=provisions), **more)


def as_given(said: Given, **more) -> GivenConsent:
    consent = said.consent(0)
    usual = {
        "terms": consent.terms,
        "grant": consent.grant,
        "given_at": BEGIN,
        "given_by": PATIENT,
        "revoked_at": None,
        "as_of": 1,
        "chain_id": CHAIN,
        "registry": REGISTRY,
        "bundle": BundleId(b"\xb5" * 32),
        "organization": HOSPITAL,
    }
    return GivenConsent(**{**usual, **more})


def as_consent(provisions: Sequence[Provision], grant: Grant) -> Consent:
    """Return a consent with these provisions in the place of those of ``grant``."""
    terms = Terms(patient=grant.patient, grantee=grant.grantee, provisions=tuple(provisions), salt=b"\x5a" * 32)
    bits = terms.purposes
    return Consent(
        grant=Grant(
            grant_id=terms.grant_id(),
            grantee=grant.grantee,
            not_before=grant.not_before,
            expires_at=grant.expires_at,
            purposes=bits,
            stamp=grant.stamp,
            epoch=grant.epoch,
        ),
        terms=terms,
        stamp=grant.stamp,
    )


def meant(provisions: Sequence[Provision]) -> set[Provision]:
    """Return provisions without what says nothing: their order, and ordinary labels in a permission."""
    found = set()
    for each in provisions:
        fields = {name: getattr(each, name) for name in Provision.__slots__}
        if each.effect is Effect.PERMIT:
            fields["labels"] = tuple(label for label in each.labels if label not in ORDINARY)
        found.add(Provision(**fields))
    return found


one_grant = grants().filter(lambda said: said.begin < said.end)
