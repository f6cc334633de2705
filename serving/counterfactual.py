"""What would have to be otherwise for a product to leave a list, or to come into it, in sentences.

The searches are `serving.removal` and `serving.addition`; here it is decided which one a product calls for.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from serving.addition import MOST_EVENTS, Addition, own_addition, smallest_addition, strongest_event
from serving.history import Past
from serving.removal import MOST_REMOVED, Removal, smallest_removal
from serving.standing import Question, Standing
from serving.why_not import BLOCKING, Cause


@dataclass(frozen=True, slots=True)
class Change:
    """A change of the history, and where the product stands after it."""

    product_ids: tuple[str, ...]
    """Products of the history that are taken out, or products of further events."""
    event: str | None
    """Type of each further event, now; None: the products are taken out."""
    rank: int
    """Rank of the product after it, among what may be recommended."""
    text: str
    """The change and what comes of it in a plain sentence."""


@dataclass(frozen=True, slots=True)
class WhatIf:
    """The smallest changes of a user's history that turn the answer over."""

    removal: Change | None
    """Without which products of the history a listed product drops out; None: none was found, or it is not listed."""
    addition: Change | None
    """With which further events a product comes in; None: none was found, or it is listed."""
    own: Change | None
    """With which event with the product itself it comes in, where people buy again; None: it does not."""
    num_considered: int | None
    """Products of the history that the search for a removal took into account; None: there was no such search."""
    is_exact: bool
    """Whether it is certain that no smaller change does it, or, where none is given, that none does."""
    text: str
    """The answer in a plain sentence."""


def what_if(question: Question, past: Past, standing: Standing, causes: Sequence[Cause]) -> WhatIf:
    """Return what would turn the answer over: a removal for a product in the list, an addition for any other.

    Args:
        question: which product, and which list.
        past: what the user did.
        standing: where the product stands.
        causes: what keeps the product out of the list.
    """
    if standing.is_listed:
        return _leave(question, smallest_removal(question, past.read(), standing))
    blocked = [cause for cause in causes if cause.kind in BLOCKING]
    if blocked:
        text = f"No further event brings it into the list. {blocked[0].text}"
        return WhatIf(None, None, None, None, True, text)
    return _come_in(question, smallest_addition(question, past), own_addition(question, past))


def _leave(question: Question, found: Removal) -> WhatIf:
    if found.after is None:
        text = "It stays in the list whatever is taken out of the history"
        if not found.is_exact:
            strongest = f"the {found.num_considered} strongest products of the history"
            text = f"No set of up to {MOST_REMOVED} of {strongest} was found without which it drops out of the list"
        return WhatIf(None, None, None, found.num_considered, found.is_exact, text)
    ids = question.ready.bundle.snapshot.ids("Product")
    text = (
        f"Without {_named(question, found.products)} in the history it would fall to rank {found.after.rank:,}, "
        f"out of the list of {question.n}"
    )
    change = Change(tuple(ids[row] for row in found.products), None, found.after.rank, text)
    return WhatIf(change, None, None, found.num_considered, found.is_exact, text)


def _come_in(question: Question, found: Addition | None, own: Addition | None) -> WhatIf:
    addition = None if found is None else _added(question, found, _named(question, found.products))
    itself = None if own is None else _added(question, own, "the product itself")
    if addition is not None:
        text = addition.text
    elif strongest_event(question.ready.bundle.snapshot) is None:
        text = "No declared event type counts for a product, so no further event brings it into the list"
    else:
        text = f"No addition of up to {MOST_EVENTS} events with other products was found that brings it into the list"
    is_exact = found is not None and len(found.products) == 1
    return WhatIf(None, addition, itself, None, is_exact, text)


def _added(question: Question, found: Addition, named: str) -> Change:
    ids = question.ready.bundle.snapshot.ids("Product")
    events = "one further event" if len(found.products) == 1 else f"{len(found.products)} further events"
    text = f"With {events} {found.event!r} now, with {named}, it would come to rank {found.after.rank:,}"
    return Change(tuple(ids[row] for row in found.products), found.event, found.after.rank, text)


def _named(question: Question, products: Sequence[int]) -> str:
    names = [question.ready.shelf.label("Product", row) for row in products]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
