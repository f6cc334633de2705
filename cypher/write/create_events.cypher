// Creates events of one type that are not in the graph; rows have event_id, user_id, product_id, properties.
// params:  rows: rows
// returns: num_rows: int
// uses:    constraints user_id, product_id and event_id of the type, which refuses an event that is there already
UNWIND $rows AS row
MATCH (u:User {user_id: row.user_id})
MATCH (p:Product {product_id: row.product_id})
CREATE (u)-[e:{{relation}} {event_id: row.event_id}]->(p)
SET e += row.properties
RETURN count(e) AS num_rows
