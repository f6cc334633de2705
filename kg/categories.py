"""Category paths and the category tree: from the texts in product rows and the table of categories to nodes and edges.

Does not read files and does not know products beyond their ids.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from kg.errors import TableError
from kg.problems import RowChecks
from kg.raw import LIST_MARK, NAME_BREAK, PATH_BREAK
from kg.slugs import slug_id
from kg.values import ID_LIMIT, mask_of, text_values, unescape

_ALLOWED = "allowed is A > B > C, several paths with | between, or in JSONL a list of paths, each a list of names"


@dataclass(frozen=True, slots=True)
class CategoryTree:
    """Categories by id, growing while paths are looked up."""

    names: dict[str, str | None] = field(default_factory=dict)
    """Name of each category by id; None when its table gives none."""
    parents: dict[str, str] = field(default_factory=dict)
    """Id of the parent by id; roots are not there."""
    children: dict[tuple[str | None, str], str] = field(default_factory=dict)
    """Id by parent (None for a root) and name."""

    def locate(self, path: Sequence[str]) -> str:
        """Return the id of the category at the end of a path of names, adding what is not there yet.

        A path of one name may also be the id of a known category.
        """
        node: str | None = None
        if len(path) == 1 and (None, path[0]) not in self.children and path[0] in self.names:
            return path[0]
        for depth, name in enumerate(path, start=1):
            child = self.children.get((node, name))
            if child is None:
                child = slug_id(path[:depth])
                self.names[child] = name
                self.children[node, name] = child
                if node is not None:
                    self.parents[child] = node
            node = child
        if node is None:
            raise ValueError("a category path has at least one name")
        return node


def build_tree(
    ids: Sequence[str], names: Sequence[str | None], *, parents: Sequence[str | None], file: str
) -> CategoryTree:
    """Return the tree that a table of categories describes; every parent is among the ids.

    Raises:
        TableError: the parents go round in a circle, which is shown.
    """
    tree = CategoryTree()
    above = {child: parent for child, parent in zip(ids, parents, strict=True) if parent is not None}
    circle = find_cycle(above)
    if circle:
        raise TableError(
            f"{file}: the category tree has a cycle: {' > '.join(circle)}; give one of them another parent_id"
        )
    tree.parents.update(above)
    for child, name in sorted(zip(ids, names, strict=True)):
        tree.names[child] = name
        if name is not None:
            tree.children.setdefault((above.get(child), name), child)
    return tree


def find_cycle(parents: Mapping[str, str]) -> list[str]:
    """Return the ids of a circle in the order child to parent, first one repeated at the end; empty without one."""
    done: set[str] = set()
    for start in parents:
        trail: dict[str, None] = {}
        node: str | None = start
        while node is not None and node not in done:
            if node in trail:
                walked = list(trail)
                return [*walked[walked.index(node) :], node]
            trail[node] = None
            node = parents.get(node)
        done.update(trail)
    return []


def check_paths(checks: RowChecks, name: str) -> pa.Array:
    """Return a column of category paths in text form: PATH_BREAK between paths, NAME_BREAK between names.

    Raises:
        TableError: the column is a list, but not a list of lists of names.
    """
    column = checks.raw.table[name].type if name in checks.raw.table.column_names else pa.string()
    nested = pa.types.is_list(column) or pa.types.is_large_list(column)
    texts = _join_lists(checks, name) if nested else text_values(checks.raw, name)
    distinct = texts.dictionary_encode()
    cleaned: list[str | None] = []
    reasons: dict[str, list[str]] = {}
    for text in distinct.dictionary.to_pylist():
        paths = _split(text, lists=nested or text.startswith(LIST_MARK))
        problem = _problem(paths, text)
        if problem:
            reasons.setdefault(problem, []).append(text)
        cleaned.append(None if problem else PATH_BREAK.join(NAME_BREAK.join(path) for path in paths))
    result = pa.array(cleaned, pa.string()).take(distinct.indices)
    for reason, broken in reasons.items():
        checks.refuse(mask_of(pc.is_in(texts, pa.array(broken))), column=name, reason=reason)
    return result


def category_edges(product_ids: pa.Array, paths: pa.Array, *, tree: CategoryTree) -> pa.Table:
    """Return IN_CATEGORY edges from each product to the last category of each of its paths; the tree grows."""
    known = paths.is_valid()
    lists = pc.split_pattern(paths.filter(known), PATH_BREAK)
    single = pc.list_flatten(lists).dictionary_encode()
    ids = [tree.locate(path.split(NAME_BREAK)) for path in single.dictionary.to_pylist()]
    owners = product_ids.filter(known).take(pc.list_parent_indices(lists))
    return pa.table({"from_id": owners, "to_id": pa.array(ids, pa.string()).take(single.indices)})


def _join_lists(checks: RowChecks, name: str) -> pa.Array:
    column = checks.raw.table[name].combine_chunks()
    column = pa.concat_arrays(column.chunks) if isinstance(column, pa.ChunkedArray) else column
    inner = column.type.value_type
    if pa.types.is_null(inner) or (pa.types.is_list(inner) and pa.types.is_null(inner.value_type)):
        return pa.nulls(len(column), pa.string())
    if not pa.types.is_list(inner) or not pa.types.is_string(inner.value_type):
        raise TableError(f"{checks.raw.file}: column {name!r} holds {column.type}; {_ALLOWED}")
    joined = pc.binary_join(pc.list_flatten(column), NAME_BREAK)
    sizes = pc.list_value_length(column).fill_null(0)
    offsets = pa.concat_arrays([pa.array([0], pa.int32()), pc.cumulative_sum(sizes).cast(pa.int32())])
    texts = pc.binary_join(pa.ListArray.from_arrays(offsets, joined), PATH_BREAK)
    return pc.if_else(pc.equal(sizes, 0), pa.scalar(None, pa.string()), texts)


def _split(text: str, *, lists: bool) -> list[list[str]]:
    outer, inner = (PATH_BREAK, NAME_BREAK) if lists else ("|", ">")
    return [[_clean(name) for name in path.split(inner)] for path in text.removeprefix(LIST_MARK).split(outer)]


def _clean(name: str) -> str:
    plain: str = unescape(pa.array([name])).to_pylist()[0] if "&" in name else name
    return re.sub(r"\s+", " ", plain).strip()


def _problem(paths: Iterable[Sequence[str]], text: str) -> str | None:
    if text.startswith("[") and text.endswith("]"):
        return f"looks like a list written as text; {_ALLOWED}"
    for path in paths:
        if not all(path):
            return f"has an empty name in a path; {_ALLOWED}"
        if any(len(name) > ID_LIMIT for name in path):
            return f"has a name longer than {ID_LIMIT} characters; {_ALLOWED}"
    return None
