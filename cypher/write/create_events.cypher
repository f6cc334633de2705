// Creates events of one type that are not in the graph; rows have user_id, product_id and
// what is named as its properties, event_id among it.
// params:  rows: rows
// returns: num_rows: int
// uses:    constraints user_id, product_id and event_id of the type, which refuses an event that is there already
UNWIND $rows AS row
MATCH (u:User {user_id: row.user_id})
MATCH (p:Product {product_id: row.product_id})
CREATE (u)-[e:{{relation}} { {{properties}} }]->(p)
RETURN count(e) AS num_rows
