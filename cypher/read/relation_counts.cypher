// How many relationships each type has.
// returns: relation: str, num_edges: int
// uses:    a scan of all relationships, one hop; heavy: counts each
// example:
MATCH ()-[r]->()
RETURN type(r) AS relation, count(*) AS num_edges
ORDER BY relation
LIMIT 1000
