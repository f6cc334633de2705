// Direct relations, in either direction, between products of the user's history and a product.
// params:  user_id: str, product_id: str, limit: int = 20
// returns: via_id: str, relation: str, outgoing: bool, at: time, weight: float, event_id: str, type: str
// uses:    constraints user_id and product_id; two hops
// example: user_id=u267, product_id=p0467, limit=5
MATCH (:User {user_id: $user_id})-[e]->(via:Product)-[r]-(target:Product {product_id: $product_id})
WHERE e.event_id IS NOT NULL AND via.product_id <> $product_id
RETURN via.product_id AS via_id, type(r) AS relation, startNode(r) = via AS outgoing, r.at AS at, r.weight AS weight,
       e.event_id AS event_id, toLower(type(e)) AS type
ORDER BY relation, via_id, outgoing, event_id
LIMIT $limit
