// How many events each user has and what their times, positions and quantities add up to.
// params:  types: list[str]
// returns: user_id: str, num_events: int, timed: int, placed: int, at: int, position: int, quantity: float
// uses:    a scan of the users, one hop; streamed
MATCH (u:{{label}})-[e]->(:Product)
WHERE type(e) IN $types
RETURN u.user_id AS user_id, count(e) AS num_events, count(e.at) AS timed, count(e.position) AS placed,
       sum(e.at) AS at, sum(e.position) AS position, sum(coalesce(e.quantity, 1.0)) AS quantity
