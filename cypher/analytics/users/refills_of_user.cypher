// What a user buys again and again: days between the purchases, and when the next one is due.
// params:  user_id: str, min_times: int = 2, limit: int = 20
// returns: product_id: str, title: str, times: int [days with a purchase], every_days: float [days], last_at: time, due_at: time
// uses:    constraint user_id; one hop; timed purchases only
// example: user_id=u267, limit=5
MATCH (:User {user_id: $user_id})-[e:BOUGHT]->(p:Product)
WHERE e.at IS NOT NULL
WITH p, count(DISTINCT e.at / 86400000) AS times, min(e.at) AS first_at, max(e.at) AS last_at
WHERE times > 1 AND times >= $min_times
RETURN p.product_id AS product_id, p.title AS title, times, (last_at - first_at) / 86400000.0 / (times - 1) AS every_days,
       last_at, last_at + (last_at - first_at) / (times - 1) AS due_at
ORDER BY due_at, product_id
LIMIT $limit
