"""The catalogue of the generated shop: leaves, brands, products and what goes with what.

Draws from the generator it is given and nothing else, so the same seed gives the same catalogue everywhere.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from kg.errors import TableError
from kg.slugs import slug_id
from kg.sources.generated_words import (
    ADJECTIVES,
    BRAND_ENDS,
    BRAND_STARTS,
    COMPLEMENTS,
    LEAVES,
    QUALITIES,
    Language,
    Leaf,
)

DAY_MS = 86_400_000
START_MS = int(datetime(2025, 1, 1, tzinfo=UTC).timestamp() * 1000)
"""First moment of the generated year."""
DAYS = 365
"""Length of the generated year."""
_COLD_SHARE = 0.06
_COLD_DAYS = 45
_IDLE_SHARE = 0.03
_PARTNERS = 2
_MOST_BRANDS = 200


@dataclass(frozen=True, slots=True)
class Brand:
    """A brand and the departments it sells in."""

    name: str
    language: Language
    departments: tuple[str, ...]

    @property
    def brand_id(self) -> str:
        """The id the reader gives to the name."""
        return slug_id([self.name])


@dataclass(frozen=True, slots=True)
class Item:
    """A product of the generated shop."""

    product_id: str
    title: str
    description: str
    brand: Brand
    leaf: Leaf
    price: float
    created_at: int
    """Epoch milliseconds; products of the year's last weeks are cold."""
    popularity: float
    """Weight among all products; 0 for a product nobody ever touches."""


@dataclass(frozen=True, slots=True, eq=False)
class Catalogue:
    """All products, by position, and the complements of each."""

    items: Sequence[Item]
    brands: Sequence[Brand]
    leaves: Sequence[Leaf]
    complements: Mapping[int, tuple[int, ...]]
    """Positions of the products that go with a product, by its position."""


def build_catalogue(rng: np.random.Generator, *, products: int, brands: int) -> Catalogue:
    """Draw a catalogue.

    Args:
        rng: where chance comes from.
        products: how many products, at least 30.
        brands: how many brands, 4 to 200.

    Raises:
        TableError: a number is out of range.
    """
    if products < 30:
        raise TableError(f"a generated shop has at least 30 products, got {products}")
    if not 4 <= brands <= _MOST_BRANDS:
        raise TableError(f"a generated shop has 4 to {_MOST_BRANDS} brands, got {brands}")
    leaves = _choose_leaves(products)
    makers = _draw_brands(rng, brands, leaves=leaves)
    items = _draw_items(rng, products, brands=makers, leaves=leaves)
    return Catalogue(items, makers, leaves, _draw_complements(rng, items))


def _choose_leaves(products: int) -> list[Leaf]:
    """Return whole pairs of complementary leaves first, then others, about 15 products to a leaf."""
    wanted = min(len(LEAVES), max(8, products // 15))
    by_noun = {leaf.noun: leaf for leaf in LEAVES}
    chinese = [pair for pair in COMPLEMENTS if by_noun[pair[0]].language == "zh"]
    english = [pair for pair in COMPLEMENTS if by_noun[pair[0]].language == "en"]
    mixed = [pair for index in range(len(chinese)) for pair in (*english[3 * index : 3 * index + 3], chinese[index])]
    ordered = [noun for pair in mixed for noun in pair] + [leaf.noun for leaf in LEAVES]
    return [by_noun[noun] for noun in list(dict.fromkeys(ordered))[:wanted]]


def _draw_brands(rng: np.random.Generator, count: int, *, leaves: Sequence[Leaf]) -> list[Brand]:
    languages: tuple[Language, ...] = ("en", "zh")
    departments = {
        language: list(dict.fromkeys(leaf.department for leaf in leaves if leaf.language == language))
        for language in languages
    }
    names = {language: _brand_names(rng, language) for language in languages}
    makers: list[Brand] = []
    for index in range(count):
        language: Language = "zh" if index % 4 == 3 and names["zh"] else "en"
        own = departments[language]
        home = own[(index // 4 if language == "zh" else index) % len(own)]
        second = own[int(rng.integers(len(own)))]
        makers.append(Brand(names[language].pop(), language, tuple(dict.fromkeys((home, second)))))
    return makers


def _brand_names(rng: np.random.Generator, language: Language) -> list[str]:
    gap = " " if language == "en" else ""
    names = [
        start + (gap if end.startswith("&") else "") + end
        for start in BRAND_STARTS[language]
        for end in BRAND_ENDS[language]
    ]
    return [names[index] for index in rng.permutation(len(names))]


def _draw_items(rng: np.random.Generator, count: int, *, brands: Sequence[Brand], leaves: Sequence[Leaf]) -> list[Item]:
    made: set[str] = set()
    items: list[Item] = []
    idle = rng.random(count) < _IDLE_SHARE
    cold = rng.random(count) < _COLD_SHARE
    width = len(str(count))
    for index in range(count):
        leaf = leaves[index % len(leaves)]
        makers = [brand for brand in brands if leaf.department in brand.departments]
        makers = makers or [brand for brand in brands if brand.language == leaf.language] or list(brands)
        brand = makers[int(rng.integers(len(makers)))]
        title = _draw_title(rng, brand, leaf=leaf, made=made)
        days = DAYS - rng.random() * _COLD_DAYS if cold[index] else -rng.random() * 700.0
        items.append(
            Item(
                product_id=f"p{index:0{width}d}",
                title=title,
                description=_draw_description(rng, leaf),
                brand=brand,
                leaf=leaf,
                price=round(float(leaf.price * 2.0 ** rng.uniform(-1.0, 1.0)), 2),
                created_at=START_MS + int(days * DAY_MS),
                popularity=0.0 if idle[index] else float(rng.pareto(1.6) + 0.2),
            )
        )
    return items


def _draw_title(rng: np.random.Generator, brand: Brand, *, leaf: Leaf, made: set[str]) -> str:
    words = ADJECTIVES[leaf.language]
    gap = " " if leaf.language == "en" else ""
    for attempt in range(50):
        one, two = (words[int(index)] for index in rng.integers(len(words), size=2))
        adjective = one if attempt < 5 or one == two else f"{one}{gap}{two}"
        size = leaf.sizes[int(rng.integers(len(leaf.sizes)))]
        title = f"{brand.name} {adjective} {leaf.noun}, {size}" if gap else f"{brand.name}{adjective}{leaf.noun} {size}"
        if title not in made:
            break
    made.add(title)
    return title


def _draw_description(rng: np.random.Generator, leaf: Leaf) -> str:
    sentences = QUALITIES[leaf.language]
    first, second = rng.permutation(len(sentences))[:2]
    return (" " if leaf.language == "en" else "").join((sentences[first], sentences[second]))


def _draw_complements(rng: np.random.Generator, items: Sequence[Item]) -> dict[int, tuple[int, ...]]:
    shelf: dict[str, list[int]] = {}
    for index, item in enumerate(items):
        if item.popularity > 0:
            shelf.setdefault(item.leaf.noun, []).append(index)
    pairs: dict[int, tuple[int, ...]] = {}
    for first, second in COMPLEMENTS:
        partners = shelf.get(second, [])
        for index in shelf.get(first, []) if partners else []:
            drawn = rng.permutation(len(partners))[:_PARTNERS]
            pairs[index] = tuple(partners[position] for position in drawn)
    return pairs
