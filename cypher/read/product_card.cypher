// A product with its brand and its categories; no row when there is no such product.
// params:  product_id: str
// returns: product_id: str, title: str, price: float, available: bool, brand: str, categories: list[str]
// uses:    constraint product_id; one hop
// example: product_id=p0034
MATCH (p:Product {product_id: $product_id})
OPTIONAL MATCH (p)-[:MADE_BY]->(b:Brand)
OPTIONAL MATCH (p)-[:IN_CATEGORY]->(c:Category)
WITH p, min(b.name) AS brand, c.name AS category
ORDER BY category
RETURN p.product_id AS product_id, p.title AS title, p.price AS price, p.available AS available, brand,
       collect(category) AS categories
LIMIT 1
