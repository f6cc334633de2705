// How many users but one did the same with both products; rows have number, user_id (left out), first_id, second_id.
// params:  rows: rows
// returns: number: int, others: int
// uses:    constraint product_id; two hops a row
UNWIND $rows AS row
MATCH (:Product {product_id: row.first_id})<-[:{{relation}}]-(u:User)-[:{{relation}}]->(:Product {product_id: row.second_id})
WHERE u.user_id <> row.user_id
RETURN row.number AS number, count(DISTINCT u) AS others
