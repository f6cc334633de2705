// Within one category: purchases of each brand by week (Monday, UTC), and its share of the week.
// params:  category_id: str, since: time = 0, limit: int = 1000
// returns: week_start: time, brand_id: str, brand: str, purchases: int, share: float [0..1]
// uses:    constraint category_id; three hops; categories below it up to five levels; weeks start at epoch day 4, a Monday
// example: category_id=pets-a949e347, since=2025-10-01, limit=5
MATCH (:Category {category_id: $category_id})<-[:CHILD_OF*0..5]-(:Category)<-[:IN_CATEGORY]-(p:Product)
WITH DISTINCT p
MATCH (p)-[:MADE_BY]->(b:Brand)
MATCH (p)<-[e:BOUGHT]-(:User)
WHERE e.at >= $since
WITH (e.at - 345600000) / 604800000 AS week, b, count(e) AS purchases
WITH week, collect({brand: b, purchases: purchases}) AS brands, sum(purchases) AS every
UNWIND brands AS row
RETURN week * 604800000 + 345600000 AS week_start, row.brand.brand_id AS brand_id, row.brand.name AS brand,
       row.purchases AS purchases, toFloat(row.purchases) / every AS share
ORDER BY week_start, purchases DESC, brand_id
LIMIT $limit
