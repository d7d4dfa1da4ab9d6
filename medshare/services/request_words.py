"""A request in words, for the person who is asked: who, accredited by whom, what, why, how long, how much."""

from __future__ import annotations

from medshare.model.describing import Line
from medshare.model.ids import Address
from medshare.model.request import NATIVE, AccessRequest, RequestCategory
from medshare.model.study import Study
from medshare.model.telling import Names, moment, who

_CATEGORIES = {
    RequestCategory.NON_PROFIT: "research that nobody profits from",
    RequestCategory.PUBLIC: "public health or a public body",
    RequestCategory.COMMERCIAL: "for profit",
}


def request_lines(
    request: AccessRequest, study: Study, *, accredited_by: Address | None, names: Names, now: int
) -> tuple[Line, ...]:
    """Return what a request asks, line by line.

    Args:
        request: as it stands on chain.
        study: its document, compared with it.
        accredited_by: the member that vouches for the requester now.
        names: asked for each address.
        now: Unix seconds.
    """
    vouching = "nobody vouches for the requester now" if accredited_by is None else who(accredited_by, names)
    lines = [
        Line("request", str(request.request_id)),
        Line("study", study.title),
        Line("what for", study.summary),
        Line("who asks", f"{who(request.requester, names)}, for {study.institution}, by his own word"),
        Line("accredited by", vouching),
        Line("contact", study.contact),
        Line("wants", study.wanted.in_words()),
        Line("category", category_in_words(request.terms.category)),
        Line("can be accepted until", moment(request.terms.deadline, now)),
        Line("access lasts until", moment(request.access_until, now)),
        Line("reward", reward_in_words(request, names)),
    ]
    if study.reward_in_words is not None:
        lines.append(Line("reward, in the requester's words", study.reward_in_words))
    if study.on_receipt:
        lines.append(Line("released", "when the requester has signed that he is about to read; not before"))
    if study.quality is not None:
        lines.append(Line("quality", study.quality.in_words()))
    if study.ethics_reference is not None:
        lines.append(Line("ethics approval, by the requester's word", study.ethics_reference))
    return tuple(lines)


def category_in_words(category: int) -> str:
    """Return what a category of requests means."""
    return next((words for known, words in _CATEGORIES.items() if known == category), f"category {category}")


def reward_in_words(request: AccessRequest, names: Names) -> str:
    """Return how much there is for a patient, of which whole, in what."""
    terms = request.terms
    if not terms.reward:
        return "none"
    to_patient, to_custodian, to_consortium = request.split.divide(terms.reward)
    token = "wei of the chain's own coin" if terms.token == NATIVE else f"units of token {who(terms.token, names)}"
    custodian = f"up to {to_custodian}, by quality," if terms.quality_weight else to_custodian
    return f"{to_patient} {token} for the patient ({custodian} for the custodian, {to_consortium} for the consortium)"
