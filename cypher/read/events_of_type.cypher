// Every event of one type, one row a user who has any.
// returns: user_id: str, events: list
// uses:    a scan of the label User, one hop; streamed
MATCH (u:User)
WITH u, [(u)-[e:{{relation}}]->(p:Product) | [p.product_id, properties(e)]] AS events
WHERE size(events) > 0
RETURN u.user_id AS user_id, events
