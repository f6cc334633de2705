// How many nodes each label has.
// returns: label: str, num_nodes: int
// uses:    a scan of all nodes
// example:
MATCH (n)
UNWIND labels(n) AS label
RETURN label, count(*) AS num_nodes
ORDER BY label
LIMIT 1000
