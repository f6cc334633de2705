// How many users but one did the same with both products, up to a time where `until` is given.
// Rows have number, user_id (left out), first_id, second_id, until or null.
// params:  rows: rows
// returns: number: int, others: int
// uses:    constraint product_id; two hops a row
UNWIND $rows AS row
MATCH (:Product {product_id: row.first_id})<-[a:{{relation}}]-(u:User)-[b:{{relation}}]->(:Product {product_id: row.second_id})
WHERE u.user_id <> row.user_id AND (row.until IS NULL OR (a.at <= row.until AND b.at <= row.until))
RETURN row.number AS number, count(DISTINCT u) AS others
