// Users whose last purchase lies before a time, those with most purchases first.
// params:  before: time, min_purchases: int = 2, limit: int = 100
// returns: user_id: str, purchases: int, last_at: time
// uses:    a scan of the users; one hop; heavy: reads every purchase; timed purchases only
// example: before=2025-07-01, limit=5
MATCH (u:User)-[e:BOUGHT]->(:Product)
WHERE e.at IS NOT NULL
WITH u, count(e) AS purchases, max(e.at) AS last_at
WHERE last_at < $before AND purchases >= $min_purchases
RETURN u.user_id AS user_id, purchases, last_at
ORDER BY purchases DESC, user_id
LIMIT $limit
