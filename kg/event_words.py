"""What other systems call the things that users do, and which of them are events of ours.

What nobody knows the worth of is left to the reader of the `whycart.toml`: it is named there, and not guessed.
"""

from collections.abc import Iterable, Iterator, Mapping

from kg.sample import Found, Kind, plain_name

TYPES: Mapping[str, str] = {
    "viewed": "view viewed pageview pv click clicked detail view_item product_view impression browse seen open",
    "carted": "cart addtocart add_to_cart carted basket add_to_basket addcart fav",
    "bought": "buy bought purchase purchased transaction order ordered sale sold checkout paid conversion",
    "rated": "rate rated rating review reviewed like liked",
}
"""Words of event types that are built in."""
_MORE: Mapping[str, str] = {
    "viewed": "read visit visited watch watched play played viewed_product product_viewed view_product",
    "carted": "cart_add product_added added_to_cart add_to_bag",
    "bought": "pay payment order_completed completed_order checkout_completed",
    "liked": "like liked star starred favorite favorited favourite favourited fav love loved save saved share shared "
    "collect collected bookmark bookmarked wish wishlist add_to_wishlist upvote thumbs_up thumb_up",
    "disliked": "dislike disliked downvote thumbs_down thumb_down hate not_interested block blocked hide hidden",
    "returned": "return returned refund refunded",
}
"""Further words, of types that have to be declared too; they go before those of TYPES."""
_WORTH: Mapping[str, tuple[float, str]] = {
    "liked": (3.0, "says that a product is liked, as much as putting it into the cart does"),
    "disliked": (-3.0, "speaks against a product, and so its weight is below 0"),
    "returned": (-4.0, "takes back most of a purchase, and so its weight is below 0"),
}
"""Weight of types that are not built in, and what they say."""
_NAMED = 8
"""Most types that a note names."""


def words_of(types: Iterable[str]) -> dict[str, str]:
    """Return what types of events are called here, as far as they are known; case and marks do not matter."""
    known = {
        plain_name(name): ours for table in (TYPES, _MORE) for ours, names in table.items() for name in names.split()
    }
    found = {text: known.get(plain_name(text)) for text in sorted(set(types))}
    return {text: ours for text, ours in found.items() if ours is not None}


def explain_words(file: str, types: Iterable[str], words: Mapping[str, str]) -> Iterator[Found]:
    """Yield the kinds that words need, and a note on the types that no word is known for.

    Args:
        file: name of the file.
        types: every type in it.
        words: as `words_of` gives them.
    """
    for ours, (weight, meaning) in _WORTH.items():
        theirs = [text for text, word in words.items() if word == ours]
        if theirs:
            facts = {"weight": weight, "half_life_days": 60.0}
            yield Kind(f"events.{ours}", facts, f"{', '.join(theirs)} of {file} {meaning}; viewed has 1, bought 5.")
    left = sorted(set(types) - set(words))
    if left:
        named = ", ".join(left[:_NAMED]) + (", ..." if len(left) > _NAMED else "")
        yield (
            f"{file}: rows of type {named} are left out; if they matter, add them to words, "
            "as a type of ours or as one that an [events.NAME] declares"
        )
