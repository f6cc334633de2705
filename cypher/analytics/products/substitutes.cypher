// What users weigh against this product: products of the same category viewed by its viewers, and who bought both.
// params:  product_id: str, limit: int = 20
// returns: product_id: str, title: str, viewers: int, bought_both: int
// uses:    constraint product_id; three hops; looks closer at the 200 products with most viewers in common
// example: product_id=p0034, limit=5
MATCH (a:Product {product_id: $product_id})-[:IN_CATEGORY]->(c:Category)
WITH a, collect(c) AS shelves
MATCH (a)<-[:VIEWED]-(u:User)-[:VIEWED]->(p:Product)-[:IN_CATEGORY]->(c:Category)
WHERE p <> a AND c IN shelves
WITH a, p, count(DISTINCT u) AS viewers
ORDER BY viewers DESC, p.product_id
LIMIT 200
OPTIONAL MATCH (a)<-[:BOUGHT]-(u:User)-[:BOUGHT]->(p)
RETURN p.product_id AS product_id, p.title AS title, viewers, count(DISTINCT u) AS bought_both
ORDER BY viewers DESC, bought_both, product_id
LIMIT $limit
