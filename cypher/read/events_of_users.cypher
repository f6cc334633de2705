// Every event of one type of some users, one row a user who has any.
// params:  user_ids: list[str]
// returns: user_id: str, events: list
// uses:    constraint user_id, one hop
UNWIND $user_ids AS user_id
MATCH (u:User {user_id: user_id})
WITH u, [(u)-[e:{{relation}}]->(p:Product) | [p.product_id, properties(e)]] AS events
WHERE size(events) > 0
RETURN u.user_id AS user_id, events
