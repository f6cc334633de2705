// What two products have in common: every node next to both, by the relations that lead to it; users are counted, not named.
// params:  product_id: str, other_id: str, limit: int = 50
// returns: relation: str, other_relation: str, label: str, name: str, nodes: int
// uses:    constraint product_id for both ends; two hops; heavy between products of many users
// example: product_id=p0034, other_id=p1295, limit=5
MATCH (:Product {product_id: $product_id})-[one]-(n)-[two]-(:Product {product_id: $other_id})
WITH DISTINCT type(one) AS relation, type(two) AS other_relation, labels(n)[0] AS label, n
RETURN relation, other_relation, label, CASE label WHEN 'User' THEN null ELSE coalesce(n.title, n.name) END AS name,
       count(n) AS nodes
ORDER BY nodes DESC, relation, other_relation, label, name
LIMIT $limit
