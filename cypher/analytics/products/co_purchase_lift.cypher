// Products bought by the buyers of this one more often than chance would have it: support, confidence and lift.
// params:  product_id: str, min_buyers: int = 2, limit: int = 20
// returns: product_id: str, title: str, buyers: int, support: float [0..1], confidence: float [0..1], lift: float [times]
// uses:    constraint product_id; three hops; judges the 200 products with most buyers in common; shares are of all users
// example: product_id=p0034, limit=5
MATCH (any:User)
WITH count(any) AS users
MATCH (:Product {product_id: $product_id})<-[:BOUGHT]-(u:User)
WITH users, collect(DISTINCT u) AS fans
UNWIND fans AS u
MATCH (u)-[:BOUGHT]->(p:Product)
WHERE p.product_id <> $product_id
WITH users, size(fans) AS base, p, count(DISTINCT u) AS both
WHERE both >= $min_buyers
WITH users, base, p, both
ORDER BY both DESC, p.product_id
LIMIT 200
MATCH (p)<-[:BOUGHT]-(buyer:User)
WITH users, base, p, both, count(DISTINCT buyer) AS alone
RETURN p.product_id AS product_id, p.title AS title, both AS buyers, toFloat(both) / users AS support,
       toFloat(both) / base AS confidence, toFloat(both) * users / (base * alone) AS lift
ORDER BY lift DESC, product_id
LIMIT $limit
