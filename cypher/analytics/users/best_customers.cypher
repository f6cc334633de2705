// Recency, frequency and money: the users who spent most since a time, on how many days, and when last.
// params:  since: time = 0, limit: int = 100
// returns: user_id: str, days: int [days with a purchase], units: float, spent: float [price], last_at: time
// uses:    a scan of the users; one hop; heavy: reads every purchase; a missing quantity counts one unit
// example: since=2025-10-01, limit=5
MATCH (u:User)-[e:BOUGHT]->(p:Product)
WHERE e.at >= $since
WITH u, e, p, coalesce(e.quantity, 1.0) AS units
RETURN u.user_id AS user_id, count(DISTINCT e.at / 86400000) AS days, sum(units) AS units,
       sum(units * coalesce(p.price, 0.0)) AS spent, max(e.at) AS last_at
ORDER BY spent DESC, user_id
LIMIT $limit
