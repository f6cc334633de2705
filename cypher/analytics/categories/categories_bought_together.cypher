// Categories that the buyers of this category buy from too, and how much more often than chance would have it.
// params:  category_id: str, min_buyers: int = 2, limit: int = 20
// returns: category_id: str, category: str, buyers: int, lift: float [times]
// uses:    constraint category_id; four hops; heavy where the category has many buyers; chance is over all users
// example: category_id=pets/dogs/dog-food-409c4a72, limit=5
MATCH (any:User)
WITH count(any) AS users
MATCH (:Category {category_id: $category_id})<-[:IN_CATEGORY]-(:Product)<-[:BOUGHT]-(u:User)
WITH users, collect(DISTINCT u) AS fans
UNWIND fans AS u
MATCH (u)-[:BOUGHT]->(:Product)-[:IN_CATEGORY]->(c:Category)
WHERE c.category_id <> $category_id
WITH users, size(fans) AS base, c, count(DISTINCT u) AS both
WHERE both >= $min_buyers
WITH users, base, c, both
ORDER BY both DESC, c.category_id
LIMIT 200
MATCH (c)<-[:IN_CATEGORY]-(:Product)<-[:BOUGHT]-(buyer:User)
WITH users, base, c, both, count(DISTINCT buyer) AS alone
RETURN c.category_id AS category_id, c.name AS category, both AS buyers, toFloat(both) * users / (base * alone) AS lift
ORDER BY lift DESC, category_id
LIMIT $limit
