"""What a rule would do to a list, before anybody is shown it."""

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from cypher.errors import InputError
from serving.answer import Answer, Filter, Item, RecommendRequest
from serving.arrangement import check_rule
from serving.events import EventCount
from serving.history import EventReader
from serving.ready import Ready
from serving.recommend import recommend, similar
from serving.rules import Context, ListName, Rule, of_list
from serving.search import search
from serving.surfaces import Basket, bought_together, newest, trending

_NAMED = 5
"""Products that a preview names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """The list that is looked at."""

    list: ListName = "recommend"
    user_id: str | None = None
    """Whose list, of `recommend`; None: the one that everybody gets."""
    product_id: str | None = None
    """Which product's list, of `similar` and `bought_together`."""
    query: str | None = None
    """What is searched for, of `search`."""
    n: int = 10
    context: Context = field(default_factory=Context)
    """Where it is asked for; one that says nothing fits every rule."""


@dataclass(frozen=True, slots=True)
class Preview:
    """A list without a rule and with it."""

    num_products: int
    """Products that the rule is about."""
    examples: tuple[str, ...]
    """Ids of the first of them."""
    changes_list: bool
    """Whether the rule changes such lists at all."""
    before: tuple[Item, ...]
    after: tuple[Item, ...]

    def rank_before(self, product_id: str) -> int | None:
        """Return where a product stood, None where it was not in the list."""
        return next((item.rank for item in self.before if item.product_id == product_id), None)

    @property
    def left(self) -> tuple[str, ...]:
        """Products that are no longer in the list."""
        there = {item.product_id for item in self.after}
        return tuple(item.product_id for item in self.before if item.product_id not in there)


def preview(
    ready: Ready, events: EventReader, since: Iterable[EventCount], rule: Rule, others: Iterable[Rule], wanted: Wanted
) -> Preview:
    """Return what a rule does to one list beside the others, whenever it holds; in a context of others, nothing.

    Args:
        ready: the bundle.
        events: gives what the user did after the bundle was made.
        since: events of anybody that are not in the bundle, for what is in demand.
        rule: the one looked at; it takes the place of one of its name.
        others: rules that hold, in the context.
        wanted: which list.

    Raises:
        InputError: the rule names what the shop does not have, n is out of range, or the list needs a product or words.
        UnknownProduct: the bundle does not hold the product of the list.
    """
    about, counts = check_rule(ready.shelf, rule), tuple(since)
    beside = [other for other in others if other.name != rule.name]
    is_here = wanted.context == Context() or rule.is_for(wanted.context)
    both = sorted([*beside, rule], key=lambda one: one.name) if is_here else beside
    lists = [_list(ready, events, counts, wanted, of_list(rules, wanted.list)).items for rules in (beside, both)]
    ids = ready.bundle.snapshot.ids("Product")
    examples = tuple(ids[row] for row in np.flatnonzero(about)[:_NAMED].tolist())
    return Preview(int(about.sum()), examples, is_here and rule.changes(wanted.list), lists[0], lists[1])


def _list(
    ready: Ready, events: EventReader, since: tuple[EventCount, ...], wanted: Wanted, rules: tuple[Rule, ...]
) -> Answer:
    bounds, n = Filter(rules=rules), wanted.n
    if wanted.list == "recommend":
        return recommend(ready, events, RecommendRequest(user_id=wanted.user_id, n=n, filter=bounds))
    if wanted.list == "trending":
        return trending(ready, since, n=n, filter=bounds)
    if wanted.list == "new":
        return newest(ready, n=n, filter=bounds)
    if wanted.list == "search":
        if wanted.query is None:
            raise InputError("the list search is about what a customer searches for; say what (q)")
        return search(ready, wanted.query, n=n, filter=bounds).answer
    if wanted.product_id is None:
        raise InputError(f"the list {wanted.list} is about a product; say which one")
    if wanted.list == "similar":
        return similar(ready, wanted.product_id, n=n, filter=bounds)
    return bought_together(ready, Basket(product_ids=(wanted.product_id,)), n=n, filter=bounds)
