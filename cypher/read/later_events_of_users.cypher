// Events of one type of some users after a moment of each, one row a user who has any; rows have user_id and after.
// params:  rows: rows
// returns: user_id: str, events: list
// uses:    constraint user_id, one hop
UNWIND $rows AS row
MATCH (u:User {user_id: row.user_id})
WITH u, [(u)-[e:{{relation}}]->(p:Product) WHERE e.{{moment}} > row.after | [p.product_id, properties(e)]] AS events
WHERE size(events) > 0
RETURN u.user_id AS user_id, events
