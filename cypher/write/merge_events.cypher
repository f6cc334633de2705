// Creates or updates events of one type, one relationship an event_id; rows have user_id, product_id and
// what is named as its properties, event_id among it; a property that is null is removed.
// params:  rows: rows
// returns: num_rows: int
// uses:    constraints user_id, product_id and event_id of the type
UNWIND $rows AS row
MATCH (u:User {user_id: row.user_id})
MATCH (p:Product {product_id: row.product_id})
MERGE (u)-[e:{{relation}} {event_id: row.event_id}]->(p)
SET e += { {{properties}} }
RETURN count(e) AS num_rows
