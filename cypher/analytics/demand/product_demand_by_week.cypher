// One product by week (Monday, UTC): viewers, carts, units and buyers; a missing quantity counts one unit.
// params:  product_id: str, since: time = 0, limit: int = 104
// returns: week_start: time, viewers: int, carts: int, units: float, buyers: int
// uses:    constraint product_id; one hop; weeks start at epoch day 4, a Monday
// example: product_id=p0034, since=2025-10-01, limit=5
MATCH (:Product {product_id: $product_id})<-[e:VIEWED|CARTED|BOUGHT]-(u:User)
WHERE e.at >= $since
WITH (e.at - 345600000) / 604800000 AS week, type(e) AS step, u, coalesce(e.quantity, 1.0) AS units
RETURN week * 604800000 + 345600000 AS week_start, count(DISTINCT CASE WHEN step = 'VIEWED' THEN u END) AS viewers,
       sum(CASE WHEN step = 'CARTED' THEN 1 ELSE 0 END) AS carts,
       sum(CASE WHEN step = 'BOUGHT' THEN units ELSE 0.0 END) AS units,
       count(DISTINCT CASE WHEN step = 'BOUGHT' THEN u END) AS buyers
ORDER BY week_start
LIMIT $limit
