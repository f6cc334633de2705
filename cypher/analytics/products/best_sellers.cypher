// Units, revenue and buyers by product between two times, most units first; a missing quantity counts one unit.
// params:  since: time = 0, until: time = null, limit: int = 50
// returns: product_id: str, title: str, units: float, revenue: float [price], buyers: int
// uses:    a scan of the purchases; one hop; heavy: reads every purchase; products without a price bring no revenue
// example: since=2025-10-01, until=2026-01-01, limit=5
MATCH (u:User)-[e:BOUGHT]->(p:Product)
WHERE e.at >= $since AND ($until IS NULL OR e.at < $until)
WITH u, p, coalesce(e.quantity, 1.0) AS units
RETURN p.product_id AS product_id, p.title AS title, sum(units) AS units, sum(units * coalesce(p.price, 0.0)) AS revenue,
       count(DISTINCT u) AS buyers
ORDER BY units DESC, product_id
LIMIT $limit
