// Nodes without any relationship, by label, with the first of them as examples; Whycart's own do not count.
// params:  examples: int = 5, limit: int = 50
// returns: label: str, nodes: int, ids: list[str]
// uses:    a scan of the nodes; heavy: reads the degree of each
// example:
MATCH (n)
WHERE NOT EXISTS { (n)--() } AND NOT labels(n)[0] IN ['DeletedUser', 'GraphFormat']
WITH labels(n)[0] AS label, coalesce(n.user_id, n.product_id, n.brand_id, n.category_id, n.name) AS id
ORDER BY label, id
WITH label, collect(id) AS ids
RETURN label, size(ids) AS nodes, ids[0..$examples] AS ids
ORDER BY nodes DESC, label
LIMIT $limit
