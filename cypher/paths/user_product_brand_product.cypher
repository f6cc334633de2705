// Paths from a user over a product of the history and its brand to a product.
// params:  user_id: str, product_id: str, limit: int = 20
// returns: via_id: str, brand_id: str, brand: str, event_id: str, type: str, at: time
// uses:    constraints user_id and product_id; three hops
// example: user_id=u267, product_id=p0034, limit=5
MATCH (target:Product {product_id: $product_id})-[:MADE_BY]->(b:Brand)
MATCH (:User {user_id: $user_id})-[e]->(via:Product)-[:MADE_BY]->(b)
WHERE e.event_id IS NOT NULL AND via.product_id <> $product_id
WITH via, b, e, coalesce(e.at, -1) AS moment
RETURN via.product_id AS via_id, b.brand_id AS brand_id, b.name AS brand, e.event_id AS event_id,
       toLower(type(e)) AS type, e.at AS at
ORDER BY moment DESC, event_id DESC, brand_id
LIMIT $limit
