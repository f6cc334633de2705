"""A bundle made ready to answer: edges sorted for look-ups, the catalogue as arrays, vectors indexed. Once a bundle."""

import difflib
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool, Int, UInt32

from gnn.bundle import Bundle
from gnn.score import History
from kg.long_paths import Bounds
from kg.paths import PathFinder
from kg.schema import GraphSchema
from kg.snapshot import Snapshot
from serving.answer import Filter, PathNode, Surface
from serving.arrangement import Arrangement, arrange
from serving.bundle_encoder import BundleEncoder
from serving.cursor import marks_of
from serving.demand import Demand, build_demand
from serving.errors import ConfigError, UnknownProduct
from serving.index import ProductIndex
from serving.language import Languages
from serving.reason_config import ReasonConfig
from serving.roles import Roles
from serving.rules import Rule
from serving.search_index import SearchIndex
from serving.shelf import Shelf, build_shelf
from serving.words import Words

_FEW_MEMBERS = 20.0
"""An entity with so few products says enough in any catalogue."""
_KEPT_ARRANGEMENTS = 32
_KEPT_BYTES = 31 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Ready:
    """Everything an answer is made from; shared by all requests, which only add to what was shown before."""

    bundle: Bundle
    finder: PathFinder
    """Finds and verifies paths in the bundle's snapshot."""
    shelf: Shelf
    """What filters and labels read."""
    index: ProductIndex
    """Products alike."""
    reasons: ReasonConfig
    """What reasons may say."""
    roles: Roles
    """The model's kernels by what they rest on."""
    nameable: Bool[np.ndarray, " product"]
    """Products that a reason may name: those of the catalogue that are in no sensitive category."""
    hidden_categories: Bool[np.ndarray, " category"]
    """Categories that no reason names."""
    num_members: dict[str, Int[np.ndarray, " entity"]]
    """Products that each entity links, by relation; of a category all in or below it."""
    entities: dict[str, Bool[np.ndarray, " entity"]]
    """Entities that a reason may rest on, by relation: not sensitive, and shared by few enough products."""
    languages: Languages
    """What reasons are told in."""
    demand: Demand
    """What is wanted and what is new."""
    search: SearchIndex
    """What searches are answered from."""
    marks: UInt32[np.ndarray, " product"]
    """What cursors know products by."""
    path_nodes: dict[tuple[str, int | None], PathNode] = field(default_factory=dict)
    """Nodes as paths show them, by label and row; each is made when it is first shown. None: other users."""
    arrangements: dict[tuple[Rule, ...], Arrangement] = field(default_factory=dict)
    """Rules that lists were made by of late, laid out."""

    def words(self, language: str | None = None, surface: Surface = "long") -> Words:
        """Return how reasons are told.

        Args:
            language: BCP 47 tag; None: the shop's language.
            surface: how much room there is.

        Raises:
            UnknownLanguage: no message catalogue fits.
        """
        return Words(self.languages.find(language or self.reasons.language), surface)

    def allow(self, wish: Filter, history: History | None) -> tuple[Bool[np.ndarray, " product"], dict[str, int]]:
        """Return which products may be recommended, and how many were left out by what.

        Args:
            wish: what the caller wants.
            history: whose products are left out where the wish or the model says so; None leaves none out.

        Raises:
            InputError: a category or brand that the shop does not have.
        """
        allowed = self.shelf.matching(wish)
        removed = {"filter": int((~allowed).sum()), "seen": 0}
        exclude_seen = self.bundle.exclude_seen if wish.exclude_seen is None else wish.exclude_seen
        if history is not None and exclude_seen:
            seen = np.unique(history.product)
            removed["seen"] = int(allowed[seen].sum())
            allowed[seen] = False
        if history is not None and wish.only_seen:
            mine = np.zeros(len(allowed), dtype=bool)
            mine[history.product] = True
            removed["not_seen"] = int((allowed & ~mine).sum())
            allowed &= mine
        if wish.rules:
            self.arranged(wish.rules).hide(allowed, removed)
        return allowed, removed

    def unmarked(self, allowed: Bool[np.ndarray, " product"], marks: tuple[int, ...]) -> Bool[np.ndarray, " product"]:
        """Return what is allowed without the products of some marks; without marks it is the same object."""
        return allowed & ~np.isin(self.marks, np.array(marks, dtype=np.uint32)) if marks else allowed

    def arranged(self, rules: tuple[Rule, ...]) -> Arrangement:
        """Return the rules of one list, laid out; those laid out last are kept."""
        found = self.arrangements.get(rules)
        if found is None:
            if len(self.arrangements) >= _KEPT_ARRANGEMENTS:
                self.arrangements.clear()
            found = self.arrangements[rules] = arrange(self.shelf, rules)
        return found

    def bounds(self, user: int | None) -> Bounds:
        """Return what the paths shown to a user may lead over."""
        return Bounds(user, self.reasons.min_supporters, self.nameable, self.entities)

    def product_row(self, product_id: str) -> int:
        """Return the row of a product.

        Raises:
            UnknownProduct: the bundle does not hold it.
        """
        row = self.bundle.snapshot.row("Product", product_id)
        if row is None:
            version = self.bundle.version
            raise UnknownProduct(f"model {version} knows no product {product_id!r}; retraining brings new ones in")
        return row


def prepare(bundle: Bundle, reasons: ReasonConfig | None = None, encoder: BundleEncoder | None = None) -> Ready:
    """Make a bundle ready; takes about a second for some ten thousand products.

    Args:
        bundle: a loaded bundle.
        reasons: what reasons may say; None: the defaults.
        encoder: of the bundle, where it is open already.

    Raises:
        ConfigError: a category that must never be mentioned is not in the shop.
    """
    _ = bundle.scorer.stack  # laid out now, not by the first who asks
    _keep_memory()
    snapshot, shelf, reasons = bundle.snapshot, build_shelf(bundle.snapshot), reasons or ReasonConfig()
    hidden, nameable = _sensitive(shelf, reasons)
    linked = _entity_relations(snapshot.schema)
    members = {relation: _num_members(snapshot, relation) for relation in linked}
    members["IN_CATEGORY"] = np.diff(shelf.in_category.indptr)
    return Ready(
        bundle,
        PathFinder(snapshot),
        shelf,
        ProductIndex(bundle),
        reasons,
        Roles(bundle.scorer.kernels, linked),
        nameable,
        hidden,
        members,
        _telling_entities(members, hidden, reasons, num_products=snapshot.num_nodes("Product")),
        Languages(reasons.wording),
        build_demand(snapshot),
        SearchIndex(shelf, encoder or BundleEncoder(bundle)),
        marks_of(snapshot.ids("Product")),
    )


def _keep_memory() -> None:
    """Have the allocator keep what an answer frees for the next one, where it would hand megabytes back each time.

    glibc takes the size of a mapped block that is freed as the least that it maps from then on, 32 MiB at most;
    elsewhere this does nothing.
    """
    block = np.empty(_KEPT_BYTES, dtype=np.uint8)
    del block


def _sensitive(
    shelf: Shelf, reasons: ReasonConfig
) -> tuple[Bool[np.ndarray, " category"], Bool[np.ndarray, " product"]]:
    """Categories that no reason names, with all below them, and products that a reason may name."""
    hidden, nameable = np.zeros(shelf.in_category.shape[1], dtype=bool), shelf.available.copy()
    for name in reasons.never_mention:
        rows = shelf.rows("Category", name)
        if not rows:
            near = difflib.get_close_matches(name, shelf.names["Category"], n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise ConfigError(
                f"[reasons] never_mention names the category {name!r}, which this shop does not have{hint}; "
                "give the id or the name of one, or take it out"
            )
        hidden[rows] = True
    links = shelf.snapshot.edges["CHILD_OF"]
    while (below := hidden[links.target] & ~hidden[links.source]).any():
        hidden[links.source[below]] = True
    nameable[np.unique(shelf.in_category[:, hidden].indices)] = False
    return hidden, nameable


def _telling_entities(
    members: dict[str, Int[np.ndarray, " entity"]],
    hidden: Bool[np.ndarray, " category"],
    reasons: ReasonConfig,
    *,
    num_products: int,
) -> dict[str, Bool[np.ndarray, " entity"]]:
    bound = max(_FEW_MEMBERS, reasons.max_members_share * num_products)
    found = {relation: count <= bound for relation, count in members.items()}
    found["IN_CATEGORY"] &= ~hidden
    return found


def _entity_relations(schema: GraphSchema) -> tuple[str, ...]:
    """Relations between products and another kind of node; users are no kind that a reason names."""
    kinds = schema.relations.values()
    return tuple(
        kind.name
        for kind in kinds
        if "Product" in (kind.source, kind.target)
        and kind.source != kind.target
        and "User" not in (kind.source, kind.target)
    )


def _num_members(snapshot: Snapshot, relation: str) -> Int[np.ndarray, " entity"]:
    kind, edges = snapshot.schema.relation(relation), snapshot.edges[relation]
    label, ends = (kind.target, edges.target) if kind.source == "Product" else (kind.source, edges.source)
    return np.bincount(ends, minlength=snapshot.num_nodes(label))
