// Products that users put into the cart and did not buy afterwards, from a time on.
// params:  since: time = 0, limit: int = 50
// returns: product_id: str, title: str, users: int, last_at: time
// uses:    a scan of the carts; two hops; heavy: reads every cart and the purchases of the same pair
// example: since=2025-10-01, limit=5
MATCH (u:User)-[c:CARTED]->(p:Product)
WHERE c.at >= $since
WITH u, p, max(c.at) AS carted_at
OPTIONAL MATCH (u)-[b:BOUGHT]->(p)
WHERE b.at >= carted_at
WITH u, p, carted_at, count(b) AS purchases
WHERE purchases = 0
RETURN p.product_id AS product_id, p.title AS title, count(u) AS users, max(carted_at) AS last_at
ORDER BY users DESC, product_id
LIMIT $limit
