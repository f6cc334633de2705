// What users buy after this product: products bought within some days of the first purchase of it, and how long they wait.
// params:  product_id: str, within_days: int = 30 [days], limit: int = 20
// returns: product_id: str, title: str, users: int, mean_days: float [days]
// uses:    constraint product_id; two hops; timed purchases only
// example: product_id=p0034, limit=5
MATCH (:Product {product_id: $product_id})<-[e:BOUGHT]-(u:User)
WHERE e.at IS NOT NULL
WITH u, min(e.at) AS first_at
MATCH (u)-[e:BOUGHT]->(p:Product)
WHERE e.at > first_at AND e.at <= first_at + $within_days * 86400000 AND p.product_id <> $product_id
WITH p, u, first_at, min(e.at) AS next_at
WITH p, u, next_at - first_at AS wait
RETURN p.product_id AS product_id, p.title AS title, count(u) AS users, avg(wait) / 86400000.0 AS mean_days
ORDER BY users DESC, product_id
LIMIT $limit
