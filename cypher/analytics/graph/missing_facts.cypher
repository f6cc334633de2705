// How many products lack a title, a description, a price, a brand or a category.
// params:  limit: int = 10
// returns: fact: str, products: int, share: float [0..1]
// uses:    a scan of the products; one hop; heavy: looks at each of them
// example:
MATCH (p:Product)
WITH count(p) AS every, sum(CASE WHEN p.title IS NULL THEN 1 ELSE 0 END) AS title,
     sum(CASE WHEN p.description IS NULL THEN 1 ELSE 0 END) AS description,
     sum(CASE WHEN p.price IS NULL THEN 1 ELSE 0 END) AS price,
     sum(CASE WHEN EXISTS { (p)-[:MADE_BY]->(:Brand) } THEN 0 ELSE 1 END) AS brand,
     sum(CASE WHEN EXISTS { (p)-[:IN_CATEGORY]->(:Category) } THEN 0 ELSE 1 END) AS category
UNWIND [['title', title], ['description', description], ['price', price], ['brand', brand], ['category', category]] AS row
WITH every, row[0] AS fact, row[1] AS products
WHERE products > 0
RETURN fact, products, toFloat(products) / every AS share
ORDER BY products DESC, fact
LIMIT $limit
