// Which of the edges that shown paths claim are there; rows have number, from_id, to_id.
// params:  rows: rows
// returns: number: int
// uses:    constraints on the keys of both kinds; one hop a row
UNWIND $rows AS row
MATCH (:{{source}} { {{source_key}}: row.from_id })-[:{{relation}}]->(:{{target}} { {{target_key}}: row.to_id })
RETURN DISTINCT row.number AS number
