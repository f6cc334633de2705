// Products most often bought by users who bought this one.
// params:  product_id: str, limit: int = 20
// returns: product_id: str, title: str, buyers: int
// uses:    constraint product_id; two hops
// example: product_id=p0034, limit=5
MATCH (:Product {product_id: $product_id})<-[:BOUGHT]-(u:User)-[:BOUGHT]->(p:Product)
WHERE p.product_id <> $product_id
RETURN p.product_id AS product_id, p.title AS title, count(DISTINCT u) AS buyers
ORDER BY buyers DESC, product_id
LIMIT $limit
