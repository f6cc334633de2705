// Forgets that users were deleted, so that they may come back; rows have digest.
// params:  rows: rows
// returns: num_rows: int
// uses:    constraint digest
UNWIND $rows AS row
OPTIONAL MATCH (d:DeletedUser {digest: row.digest})
DETACH DELETE d
RETURN count(*) AS num_rows
