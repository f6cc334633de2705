// Removes events of one type from a product that they do not belong to; rows have event_id, user_id, product_id.
// params:  rows: rows
// returns: num_rows: int
// uses:    constraints user_id, product_id; an event that is not there is passed over
UNWIND $rows AS row
MATCH (:User {user_id: row.user_id})-[e:{{relation}} {event_id: row.event_id}]->(:Product {product_id: row.product_id})
DELETE e
RETURN count(*) AS num_rows
