// What the graph knows of a product beside its events: every relation with its far end, declared kinds included.
// params:  product_id: str, limit: int = 200
// returns: relation: str, outgoing: bool, label: str, name: str, weight: float
// uses:    constraint product_id; one hop
// example: product_id=p0034, limit=8
MATCH (p:Product {product_id: $product_id})-[r]-(n)
WHERE r.event_id IS NULL AND n <> p
RETURN type(r) AS relation, startNode(r) = p AS outgoing, labels(n)[0] AS label, coalesce(n.title, n.name) AS name,
       r.weight AS weight
ORDER BY relation, outgoing DESC, name
LIMIT $limit
