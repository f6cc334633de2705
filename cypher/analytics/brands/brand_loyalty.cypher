// Within one category: buyers of each brand, how many of them bought no other brand there, and its share of their purchases.
// params:  category_id: str, min_buyers: int = 1, limit: int = 50
// returns: brand_id: str, brand: str, buyers: int, loyal: int, share: float [0..1]
// uses:    constraint category_id; three hops; categories below it up to five levels
// example: category_id=pets-a949e347, limit=5
MATCH (:Category {category_id: $category_id})<-[:CHILD_OF*0..5]-(:Category)<-[:IN_CATEGORY]-(p:Product)
WITH DISTINCT p
MATCH (p)-[:MADE_BY]->(b:Brand)
MATCH (p)<-[e:BOUGHT]-(u:User)
WITH u, b, count(e) AS purchases
WITH u, collect({brand: b, purchases: purchases}) AS brands, sum(purchases) AS every
UNWIND brands AS row
WITH row.brand AS b, count(u) AS buyers, sum(CASE size(brands) WHEN 1 THEN 1 ELSE 0 END) AS loyal,
     sum(row.purchases) AS purchases, sum(every) AS every
WHERE buyers >= $min_buyers
RETURN b.brand_id AS brand_id, b.name AS brand, buyers, loyal, toFloat(purchases) / every AS share
ORDER BY buyers DESC, brand_id
LIMIT $limit
