// Where users begin: the categories of what each bought first.
// params:  limit: int = 50
// returns: category_id: str, category: str, users: int
// uses:    a scan of the users; three hops; heavy: reads every purchase twice; timed purchases only
// example: limit=5
MATCH (u:User)-[e:BOUGHT]->(:Product)
WHERE e.at IS NOT NULL
WITH u, min(e.at) AS first_at
MATCH (u)-[e:BOUGHT]->(:Product)-[:IN_CATEGORY]->(c:Category)
WHERE e.at = first_at
RETURN c.category_id AS category_id, c.name AS category, count(DISTINCT u) AS users
ORDER BY users DESC, category_id
LIMIT $limit
