// Creates or updates events of one type, one relationship an event_id; rows have event_id, user_id, product_id, properties.
// params:  rows: rows
// returns: num_rows: int
// uses:    constraints user_id, product_id and event_id of the type
UNWIND $rows AS row
MATCH (u:User {user_id: row.user_id})
MATCH (p:Product {product_id: row.product_id})
MERGE (u)-[e:{{relation}} {event_id: row.event_id}]->(p)
SET e += row.properties
RETURN count(e) AS num_rows
