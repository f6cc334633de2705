// Units, revenue and buyers by week (Monday, UTC), from a time on; a missing quantity counts one unit.
// params:  since: time = 0, limit: int = 104
// returns: week_start: time, units: float, revenue: float [price], buyers: int
// uses:    a scan of the purchases; one hop; heavy: reads every purchase; weeks start at epoch day 4, a Monday; products without a price bring no revenue
// example: since=2025-12-01, limit=5
MATCH (u:User)-[e:BOUGHT]->(p:Product)
WHERE e.at >= $since
WITH u, p, coalesce(e.quantity, 1.0) AS units, (e.at - 345600000) / 604800000 AS week
RETURN week * 604800000 + 345600000 AS week_start, sum(units) AS units, sum(units * coalesce(p.price, 0.0)) AS revenue,
       count(DISTINCT u) AS buyers
ORDER BY week_start
LIMIT $limit
