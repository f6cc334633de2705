// How many nodes each label has; those that are Whycart's own do not count.
// returns: label: str, num_nodes: int
// uses:    a scan of all nodes
// example:
MATCH (n)
UNWIND labels(n) AS label
WITH label
WHERE NOT label IN ['DeletedUser', 'GraphFormat']
RETURN label, count(*) AS num_nodes
ORDER BY label
LIMIT 1000
