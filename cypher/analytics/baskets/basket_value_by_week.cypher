// Baskets by week (Monday, UTC): how many, their mean value and mean number of units; a basket is one user's day (UTC).
// params:  since: time = 0, limit: int = 104
// returns: week_start: time, baskets: int, mean_value: float [price], mean_units: float
// uses:    a scan of the purchases; one hop; heavy: reads every purchase; weeks start at epoch day 4, a Monday
// example: since=2025-10-01, limit=5
MATCH (u:User)-[e:BOUGHT]->(p:Product)
WHERE e.at >= $since
WITH u, e.at / 86400000 AS day, sum(coalesce(e.quantity, 1.0)) AS units,
     sum(coalesce(e.quantity, 1.0) * coalesce(p.price, 0.0)) AS value
WITH (day - 4) / 7 AS week, count(*) AS baskets, avg(value) AS mean_value, avg(units) AS mean_units
RETURN week * 604800000 + 345600000 AS week_start, baskets, mean_value, mean_units
ORDER BY week_start
LIMIT $limit
