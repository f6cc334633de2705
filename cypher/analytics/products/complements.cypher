// What goes with this product: products of other categories bought on the same day (UTC) by the same users.
// params:  product_id: str, limit: int = 20
// returns: product_id: str, title: str, baskets: int
// uses:    constraint product_id; four hops; timed purchases only; products of no category count as of another
// example: product_id=p0034, limit=5
MATCH (a:Product {product_id: $product_id})<-[e:BOUGHT]-(u:User)
WHERE e.at IS NOT NULL
WITH DISTINCT a, u, e.at / 86400000 AS day
MATCH (u)-[e:BOUGHT]->(p:Product)
WHERE e.at / 86400000 = day AND p <> a
WITH DISTINCT a, u, day, p
WITH a, p, count(*) AS baskets
WHERE NOT EXISTS { (a)-[:IN_CATEGORY]->(:Category)<-[:IN_CATEGORY]-(p) }
RETURN p.product_id AS product_id, p.title AS title, baskets
ORDER BY baskets DESC, product_id
LIMIT $limit
