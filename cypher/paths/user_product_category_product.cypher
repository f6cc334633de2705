// Paths from a user over a product of the history and a category both products are directly in to a product.
// params:  user_id: str, product_id: str, limit: int = 20
// returns: via_id: str, category_id: str, category: str, event_id: str, type: str, at: time
// uses:    constraints user_id and product_id; three hops
// example: user_id=u267, product_id=p0407, limit=5
MATCH (target:Product {product_id: $product_id})-[:IN_CATEGORY]->(c:Category)
MATCH (:User {user_id: $user_id})-[e]->(via:Product)-[:IN_CATEGORY]->(c)
WHERE e.event_id IS NOT NULL AND via.product_id <> $product_id
WITH via, c, e, coalesce(e.at, -1) AS moment
RETURN via.product_id AS via_id, c.category_id AS category_id, c.name AS category, e.event_id AS event_id,
       toLower(type(e)) AS type, e.at AS at
ORDER BY moment DESC, event_id DESC, category_id
LIMIT $limit
