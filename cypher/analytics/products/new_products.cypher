// Products that came since a time, newest first, with their buyers and their first purchase.
// params:  since: time, limit: int = 50
// returns: product_id: str, title: str, created_at: time, purchases: int, buyers: int, first_at: time
// uses:    a scan of the products; one hop
// example: since=2025-10-01, limit=5
MATCH (p:Product)
WHERE p.created_at >= $since
OPTIONAL MATCH (p)<-[e:BOUGHT]-(u:User)
RETURN p.product_id AS product_id, p.title AS title, p.created_at AS created_at, count(e) AS purchases,
       count(DISTINCT u) AS buyers, min(e.at) AS first_at
ORDER BY created_at DESC, product_id
LIMIT $limit
