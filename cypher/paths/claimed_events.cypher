// Which of the events that shown paths claim of their user are there; rows have number, user_id, product_id, at or null.
// params:  rows: rows
// returns: number: int
// uses:    constraints user_id and product_id; one hop a row
UNWIND $rows AS row
MATCH (:User {user_id: row.user_id})-[e:{{relation}}]->(:Product {product_id: row.product_id})
WHERE row.at IS NULL OR e.at = row.at
RETURN DISTINCT row.number AS number
