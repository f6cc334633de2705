// The nodes with most relationships, of whatever kind.
// params:  limit: int = 20
// returns: label: str, id: str, name: str, degree: int
// uses:    a scan of the nodes; heavy: reads the degree of each
// example: limit=5
MATCH (n)
WHERE NOT labels(n)[0] IN ['DeletedUser', 'GraphFormat']
WITH n, COUNT { (n)--() } AS degree
RETURN labels(n)[0] AS label, coalesce(n.user_id, n.product_id, n.brand_id, n.category_id) AS id,
       coalesce(n.title, n.name) AS name, degree
ORDER BY degree DESC, label, id
LIMIT $limit
