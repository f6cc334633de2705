// What lies in the same basket: products that users bought on the same day (UTC) as this one.
// params:  product_id: str, limit: int = 20
// returns: product_id: str, title: str, baskets: int
// uses:    constraint product_id; two hops; timed purchases only
// example: product_id=p0034, limit=5
MATCH (:Product {product_id: $product_id})<-[e:BOUGHT]-(u:User)
WHERE e.at IS NOT NULL
WITH DISTINCT u, e.at / 86400000 AS day
MATCH (u)-[e:BOUGHT]->(p:Product)
WHERE e.at / 86400000 = day AND p.product_id <> $product_id
WITH DISTINCT u, day, p
RETURN p.product_id AS product_id, p.title AS title, count(*) AS baskets
ORDER BY baskets DESC, product_id
LIMIT $limit
