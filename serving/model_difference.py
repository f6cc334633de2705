"""How two models differ: what they learned from, what they were told, what they weigh, what they show."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from gnn.bundle import Bundle
from gnn.report import WHOLE
from serving.canary import canaries, shared_products
from serving.ready import prepare


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is not the same in both models."""

    name: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class ListsDifference:
    """How alike the lists of some users are."""

    num_users: int
    overlap: float
    """Part of the products of a list of the first model that the second shows too, on average; nan without users."""
    same: int
    """Users with the same products in the same order."""

    @property
    def sentence(self) -> str:
        """The figures in words."""
        if not self.num_users:
            return "the two models know no user in common"
        return (
            f"the lists of {self.num_users} users keep {self.overlap:.0%} of their products on average, "
            f"{self.same} are the same to the last place"
        )


def compare_models(before: Bundle, after: Bundle) -> list[Difference]:
    """Return what differs in data, settings, packages, weights and figures; empty for two equal models."""
    sides = [dict(_facts(bundle)) for bundle in (before, after)]
    names = list(dict.fromkeys([*sides[0], *sides[1]]))
    rows = [Difference(name, sides[0].get(name, ""), sides[1].get(name, "")) for name in names]
    return [row for row in rows if row.before != row.after]


def compare_lists(before: Bundle, after: Bundle, *, users: int = 200, n: int = 10) -> ListsDifference:
    """Return how alike the lists of users are that both models know.

    Args:
        before: one model.
        after: the other.
        users: how many users at most, drawn by seed.
        n: items of a list.
    """
    ready = (prepare(before), prepare(after))
    found = [shared_products(*ready, user, n=n) for user in canaries(*ready, number=users)]
    overlap = sum(one.overlap for one in found) / len(found) if found else float("nan")
    return ListsDifference(len(found), overlap, sum(one.same for one in found))


def _facts(bundle: Bundle) -> Iterator[tuple[str, str]]:
    snapshot, manifest, report = bundle.snapshot, bundle.manifest, bundle.report
    yield "model hash", (bundle.model_hash or "")[:16]
    yield "snapshot", snapshot.hash[:16]
    yield "events", f"{len(snapshot.events):,}"
    for label in sorted(snapshot.nodes):
        yield f"{label} nodes", f"{snapshot.num_nodes(label):,}"
    for name, version in sorted(manifest.get("packages", {}).items()):
        yield f"package {name}", str(version)
    blend = bundle.scorer.blend
    for kernel, row in zip(blend.kernels, blend.weights, strict=True):
        yield f"weight of {kernel}", f"{float(row.sum()):.3f}"
    for prior, weight in zip(blend.priors, blend.prior_weights, strict=True):
        yield f"weight of {prior}", f"{float(weight):.3g}"
    whole: Mapping[str, Any] = report.get("models", {}).get(WHOLE, {}).get("metrics", {})
    for metric, value in whole.items():
        yield metric, f"{value['mean']:.4f}"
    gate = report.get("gate")
    if gate is not None:
        yield "gate", "passed" if gate["passed"] else "refused"
