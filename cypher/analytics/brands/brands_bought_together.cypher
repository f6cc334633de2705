// Brands that the buyers of this brand buy too, and how much more often than chance would have it.
// params:  brand_id: str, min_buyers: int = 2, limit: int = 20
// returns: brand_id: str, brand: str, buyers: int, lift: float [times]
// uses:    constraint brand_id; four hops; heavy where the brand has many buyers; chance is over all users
// example: brand_id=maplefield-6c1bcf66, limit=5
MATCH (any:User)
WITH count(any) AS users
MATCH (:Brand {brand_id: $brand_id})<-[:MADE_BY]-(:Product)<-[:BOUGHT]-(u:User)
WITH users, collect(DISTINCT u) AS fans
UNWIND fans AS u
MATCH (u)-[:BOUGHT]->(:Product)-[:MADE_BY]->(b:Brand)
WHERE b.brand_id <> $brand_id
WITH users, size(fans) AS base, b, count(DISTINCT u) AS both
WHERE both >= $min_buyers
WITH users, base, b, both
ORDER BY both DESC, b.brand_id
LIMIT 200
MATCH (b)<-[:MADE_BY]-(:Product)<-[:BOUGHT]-(buyer:User)
WITH users, base, b, both, count(DISTINCT buyer) AS alone
RETURN b.brand_id AS brand_id, b.name AS brand, both AS buyers, toFloat(both) * users / (base * alone) AS lift
ORDER BY lift DESC, brand_id
LIMIT $limit
