"""What answers claim, and lies about it: for tests of those who check paths."""

from collections.abc import Iterator
from dataclasses import replace

from serving.answer import PathNode, RecommendRequest
from serving.history import NoEvents
from serving.ledger import Claim
from serving.ready import Ready
from serving.recommend import recommend


def claims(ready: Ready) -> Iterator[Claim]:
    """Give every path of five recommendations for each user."""
    for user in ready.bundle.snapshot.ids("User"):
        for item in recommend(ready, NoEvents(), RecommendRequest(user_id=user, n=5, paths=3)).items:
            yield from (Claim(user, item.product_id, path) for path in item.paths)


def lies(claim: Claim) -> Iterator[Claim]:
    """Variants of a claim that are false, one for each thing that is claimed."""
    path = claim.path
    yield replace(claim, user_id="somebody")
    yield replace(claim, product_id="nothing")
    yield replace(claim, path=replace(path, edges=path.edges[:-1]))
    own = path.edges[0]
    yield replace(claim, path=replace(path, edges=(replace(own, at_ms=(own.at_ms or 0) + 1), *path.edges[1:])))
    yield replace(claim, path=replace(path, edges=(replace(own, type="DREAMED_OF"), *path.edges[1:])))
    for place, node in enumerate(path.nodes[2:-1], start=2):
        changed = PathNode("nobody-knows-it", node.type, node.label)
        yield replace(claim, path=replace(path, nodes=(*path.nodes[:place], changed, *path.nodes[place + 1 :])))
