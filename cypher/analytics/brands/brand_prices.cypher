// Within one category: the brands by price, with the number of products and their cheapest, median and dearest.
// params:  category_id: str, limit: int = 50
// returns: brand_id: str, brand: str, products: int, cheapest: float [price], median: float [price], dearest: float [price]
// uses:    constraint category_id; three hops; categories below it up to five levels; products without a price do not count
// example: category_id=pets-a949e347, limit=5
MATCH (:Category {category_id: $category_id})<-[:CHILD_OF*0..5]-(:Category)<-[:IN_CATEGORY]-(p:Product)
WHERE p.price IS NOT NULL
WITH DISTINCT p
MATCH (p)-[:MADE_BY]->(b:Brand)
RETURN b.brand_id AS brand_id, b.name AS brand, count(p) AS products, min(p.price) AS cheapest,
       percentileCont(p.price, 0.5) AS median, max(p.price) AS dearest
ORDER BY median DESC, brand_id
LIMIT $limit
