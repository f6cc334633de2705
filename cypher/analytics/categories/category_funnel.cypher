// By category: users who viewed, carted and bought one of its products.
// params:  limit: int = 50
// returns: category_id: str, category: str, viewers: int, carters: int, buyers: int
// uses:    a scan of the categories; two hops; heavy: reads every view, cart and purchase; only the categories products are directly in
// example: limit=5
MATCH (c:Category)<-[:IN_CATEGORY]-(:Product)<-[e:VIEWED|CARTED|BOUGHT]-(u:User)
WITH DISTINCT c, u, type(e) AS step
RETURN c.category_id AS category_id, c.name AS category,
       sum(CASE WHEN step = 'VIEWED' THEN 1 ELSE 0 END) AS viewers,
       sum(CASE WHEN step = 'CARTED' THEN 1 ELSE 0 END) AS carters,
       sum(CASE WHEN step = 'BOUGHT' THEN 1 ELSE 0 END) AS buyers
ORDER BY buyers DESC, category_id
LIMIT $limit
