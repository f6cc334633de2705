// Deletes users with all they did, and keeps of each a digest by which an import knows not to bring them back; rows
// have digest, key_id, at (epoch milliseconds) and user_id, which is null where nobody is there to be deleted.
// params:  rows: rows
// returns: num_rows: int
// uses:    constraints user_id and digest
UNWIND $rows AS row
MERGE (d:DeletedUser {digest: row.digest})
ON CREATE SET d.key_id = row.key_id, d.at = row.at
WITH row
OPTIONAL MATCH (u:User {user_id: row.user_id})
DETACH DELETE u
RETURN count(*) AS num_rows
