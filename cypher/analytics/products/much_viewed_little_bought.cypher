// Gaps in the catalogue: products that many view and few buy, fewest buyers per viewer first.
// params:  min_viewers: int = 20, limit: int = 50
// returns: product_id: str, title: str, viewers: int, buyers: int, rate: float [buyers per viewer]
// uses:    a scan of the products; one hop; heavy: reads every view and purchase
// example: limit=5, min_viewers=10
MATCH (p:Product)<-[:VIEWED]-(u:User)
WITH p, count(DISTINCT u) AS viewers
WHERE viewers >= 1 AND viewers >= $min_viewers
OPTIONAL MATCH (p)<-[:BOUGHT]-(u:User)
WITH p, viewers, count(DISTINCT u) AS buyers
RETURN p.product_id AS product_id, p.title AS title, viewers, buyers, toFloat(buyers) / viewers AS rate
ORDER BY rate, viewers DESC, product_id
LIMIT $limit
