// Brands of which nothing can be had now, though users viewed, carted or bought them since a time.
// params:  since: time = 0, limit: int = 50
// returns: brand_id: str, brand: str, products: int, users: int, last_at: time
// uses:    a scan of the brands; two hops from those without supply
// example: since=2025-10-01, limit=5
MATCH (b:Brand)<-[:MADE_BY]-(p:Product)
WITH b, collect(p) AS products, sum(CASE WHEN p.available = false THEN 0 ELSE 1 END) AS left
WHERE left = 0
UNWIND products AS p
MATCH (p)<-[e:VIEWED|CARTED|BOUGHT]-(u:User)
WHERE e.at >= $since
RETURN b.brand_id AS brand_id, b.name AS brand, size(products) AS products, count(DISTINCT u) AS users, max(e.at) AS last_at
ORDER BY users DESC, brand_id
LIMIT $limit
