// The latest events of a user, newest first; events without a time come last.
// params:  user_id: str, limit: int = 50
// returns: event_id: str, type: str, product_id: str, title: str, at: time, quantity: float, value: float
// uses:    constraint user_id; one hop
// example: user_id=u267, limit=5
MATCH (:User {user_id: $user_id})-[e]->(p:Product)
WHERE e.event_id IS NOT NULL
WITH e, p, coalesce(e.at, -1) AS moment
RETURN e.event_id AS event_id, toLower(type(e)) AS type, p.product_id AS product_id, p.title AS title,
       e.at AS at, e.quantity AS quantity, e.value AS value
ORDER BY moment DESC, event_id DESC
LIMIT $limit
