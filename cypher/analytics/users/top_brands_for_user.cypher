// The brands a user bought most often, with the number of purchases and of different products.
// params:  user_id: str, limit: int = 10
// returns: brand_id: str, brand: str, purchases: int, products: int
// uses:    constraint user_id; two hops
// example: user_id=u267, limit=5
MATCH (:User {user_id: $user_id})-[e:BOUGHT]->(p:Product)-[:MADE_BY]->(b:Brand)
RETURN b.brand_id AS brand_id, b.name AS brand, count(e) AS purchases, count(DISTINCT p) AS products
ORDER BY purchases DESC, brand_id
LIMIT $limit
