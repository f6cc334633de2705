// Demand without supply: products that cannot be had now and that users viewed, carted or bought since a time.
// params:  since: time = 0, limit: int = 50
// returns: product_id: str, title: str, users: int, carts: int, last_at: time
// uses:    a scan of the products; one hop from those that are unavailable
// example: since=2025-10-01, limit=5
MATCH (p:Product)
WHERE p.available = false
MATCH (p)<-[e:VIEWED|CARTED|BOUGHT]-(u:User)
WHERE e.at >= $since
RETURN p.product_id AS product_id, p.title AS title, count(DISTINCT u) AS users,
       sum(CASE WHEN type(e) = 'CARTED' THEN 1 ELSE 0 END) AS carts, max(e.at) AS last_at
ORDER BY users DESC, product_id
LIMIT $limit
