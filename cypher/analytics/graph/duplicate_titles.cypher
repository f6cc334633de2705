// Products of the same brand and the same title (case and outer space aside): likely the same product twice.
// params:  limit: int = 50
// returns: title: str, brand_id: str, products: int, product_ids: list[str]
// uses:    a scan of the products; one hop
// example: limit=5
MATCH (p:Product)
WHERE p.title IS NOT NULL
OPTIONAL MATCH (p)-[:MADE_BY]->(b:Brand)
WITH p, min(b.brand_id) AS brand_id
ORDER BY p.product_id
WITH toLower(trim(p.title)) AS title, brand_id, collect(p.product_id) AS product_ids
WHERE size(product_ids) > 1
RETURN title, brand_id, size(product_ids) AS products, product_ids
ORDER BY products DESC, title, brand_id
LIMIT $limit
