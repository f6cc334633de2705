// Creates or updates relationships of one relation between nodes that are there; rows have from_id, to_id and
// what is named as its properties; one that is null is removed.
// params:  rows: rows
// returns: num_rows: int
// uses:    constraints on the keys of both kinds
UNWIND $rows AS row
MATCH (source:{{source}} { {{source_key}}: row.from_id })
MATCH (target:{{target}} { {{target_key}}: row.to_id })
MERGE (source)-[r:{{relation}}]->(target)
SET r += { {{properties}} }
RETURN count(r) AS num_rows
