// Whom to tell of a product: users who viewed or carted it and did not buy it, those most interested first.
// params:  product_id: str, limit: int = 100
// returns: user_id: str, views: int, carts: int, last_at: time
// uses:    constraint product_id; one hop
// example: product_id=p0034, limit=5
MATCH (p:Product {product_id: $product_id})<-[e:VIEWED|CARTED]-(u:User)
WHERE NOT EXISTS { (u)-[:BOUGHT]->(p) }
RETURN u.user_id AS user_id, sum(CASE WHEN type(e) = 'VIEWED' THEN 1 ELSE 0 END) AS views,
       sum(CASE WHEN type(e) = 'CARTED' THEN 1 ELSE 0 END) AS carts, max(e.at) AS last_at
ORDER BY carts DESC, views DESC, user_id
LIMIT $limit
