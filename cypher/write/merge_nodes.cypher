// Creates or updates nodes of one kind; a property that is null is removed.
// params:  rows: rows
// returns: num_rows: int
// uses:    constraint on the key of the kind
UNWIND $rows AS row
MERGE (n:{{label}} { {{key}}: row.{{key}} })
SET n += row
RETURN count(n) AS num_rows
