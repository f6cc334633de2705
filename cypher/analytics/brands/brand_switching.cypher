// Within one category: pairs of brands where users bought the first brand and later, for the first time, the second.
// params:  category_id: str, limit: int = 20
// returns: from_brand: str, to_brand: str, users: int
// uses:    constraint category_id; three hops; categories below it up to five levels; timed purchases only
// example: category_id=pets-a949e347, limit=5
MATCH (top:Category {category_id: $category_id})<-[:CHILD_OF*0..5]-(c:Category)<-[:IN_CATEGORY]-(p:Product)
WITH DISTINCT p
MATCH (p)-[:MADE_BY]->(b:Brand)
MATCH (p)<-[e:BOUGHT]-(u:User)
WHERE e.at IS NOT NULL
WITH u, b.brand_id AS brand_id, min(e.at) AS first_at
WITH u, collect({brand_id: brand_id, first_at: first_at}) AS brands
UNWIND brands AS earlier
UNWIND brands AS later
WITH u, earlier, later
WHERE earlier.first_at < later.first_at
RETURN earlier.brand_id AS from_brand, later.brand_id AS to_brand, count(u) AS users
ORDER BY users DESC, from_brand, to_brand
LIMIT $limit
