// Products that die away: purchases in the days before a time against as many days before those, greatest change first.
// params:  until: time, days: int = 28 [days], limit: int = 50
// returns: product_id: str, title: str, before: int [purchases], after: int [purchases], change: int [purchases]
// uses:    a scan of the purchases; one hop; heavy: reads every purchase
// example: until=2026-01-01, limit=5
MATCH (:User)-[e:BOUGHT]->(p:Product)
WHERE e.at >= $until - 2 * $days * 86400000 AND e.at < $until
WITH p, sum(CASE WHEN e.at < $until - $days * 86400000 THEN 1 ELSE 0 END) AS before,
     sum(CASE WHEN e.at < $until - $days * 86400000 THEN 0 ELSE 1 END) AS after
WHERE after < before
RETURN p.product_id AS product_id, p.title AS title, before, after, after - before AS change
ORDER BY change, product_id
LIMIT $limit
