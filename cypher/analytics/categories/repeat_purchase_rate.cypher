// By category: of the pairs of user and product with a purchase, the share with a second one.
// params:  min_pairs: int = 1, limit: int = 50
// returns: category_id: str, category: str, pairs: int, repeated: int, rate: float [0..1]
// uses:    a scan of the purchases; two hops; heavy: reads every purchase
// example: limit=5
MATCH (u:User)-[e:BOUGHT]->(p:Product)
WITH u, p, count(e) AS purchases
MATCH (p)-[:IN_CATEGORY]->(c:Category)
WITH c, count(*) AS pairs, sum(CASE WHEN purchases > 1 THEN 1 ELSE 0 END) AS repeated
WHERE pairs >= $min_pairs
RETURN c.category_id AS category_id, c.name AS category, pairs, repeated, toFloat(repeated) / pairs AS rate
ORDER BY rate DESC, category_id
LIMIT $limit
