"""Where a product stands in a list on a terminal: what keeps it out, what separates it, what would turn that over."""

from serving.api.cards import Cards
from serving.cli.items import name_of
from serving.cli.output import print_table, say
from serving.explain import Explanation
from serving.why_not import Comparison, Difference

_MOST_ROWS = 6


def tell_place(found: Explanation, cards: Cards) -> None:
    """Print where a product stands in the list, and, as far as they were looked for, the changes that turn it over.

    Args:
        found: the explanation.
        cards: what products are called.
    """
    place = f"rank {found.rank_of_allowed:,} of the {found.num_allowed:,} that may be recommended"
    if found.in_top:
        say(f"it is in the list of {found.n}: {place}")
    elif found.removed_by is not None:
        say(f"it is not in the list of {found.n}; let in, it would have rank {found.rank_of_allowed:,}")
    else:
        say(f"it is not in the list of {found.n}: {place}")
    for cause in found.causes:
        say(f"- {cause.text}")
    if found.against is not None and (not found.in_top or found.what_if is not None):
        _tell_comparison(found.against, cards)
    if found.what_if is not None:
        say(f"what if: {found.what_if.text}")
        if found.what_if.own is not None:
            say(f"what if: {found.what_if.own.text}")


def _tell_comparison(against: Comparison, cards: Cards) -> None:
    lead = f"{abs(against.gap):.4g} {'behind' if against.gap < 0 else 'ahead of'}"
    say(f"{lead} {name_of(against.product_id, cards)}, which has rank {against.rank} and score {against.score:.4g}:")
    columns = ("it gets", "the other gets", "difference")
    print_table(("evidence", *columns), [_row(part, part.source) for part in _most(against.by_kernel)])
    rows = [
        _row(part, None if part.source is None else name_of(part.source, cards)) for part in _most(against.by_history)
    ]
    print_table(("because of", *columns), rows)


def _most(parts: tuple[Difference, ...]) -> tuple[Difference, ...]:
    """The largest parts as they are, the others in one without a source."""
    named = [part for part in parts if part.source is not None]
    rest = [*named[_MOST_ROWS:], *(part for part in parts if part.source is None)]
    if not rest:
        return tuple(named)
    own, other = sum(part.value for part in rest), sum(part.other for part in rest)
    return (*named[:_MOST_ROWS], Difference(None, own, other))


def _row(part: Difference, name: str | None) -> tuple[str, float, float, float]:
    return ("all else" if name is None else name, part.value, part.other, part.difference)
