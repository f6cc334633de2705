// How many others who bought a product of the user's history also bought this product; never names them.
// params:  user_id: str, product_id: str, limit: int = 20
// returns: via_id: str, title: str, buyers: int
// uses:    constraints user_id and product_id; three hops
// example: user_id=u267, product_id=p0034, limit=5
MATCH (me:User {user_id: $user_id})-[mine]->(via:Product)
WHERE mine.event_id IS NOT NULL AND via.product_id <> $product_id
WITH DISTINCT me, via
MATCH (via)<-[:BOUGHT]-(other:User)-[:BOUGHT]->(:Product {product_id: $product_id})
WHERE other <> me
RETURN via.product_id AS via_id, via.title AS title, count(DISTINCT other) AS buyers
ORDER BY buyers DESC, via_id
LIMIT $limit
