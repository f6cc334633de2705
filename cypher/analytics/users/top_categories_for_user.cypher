// The categories a user bought from most often, and when last.
// params:  user_id: str, limit: int = 10
// returns: category_id: str, category: str, purchases: int, products: int, last_at: time
// uses:    constraint user_id; two hops
// example: user_id=u267, limit=5
MATCH (:User {user_id: $user_id})-[e:BOUGHT]->(p:Product)-[:IN_CATEGORY]->(c:Category)
RETURN c.category_id AS category_id, c.name AS category, count(e) AS purchases, count(DISTINCT p) AS products,
       max(e.at) AS last_at
ORDER BY purchases DESC, category_id
LIMIT $limit
