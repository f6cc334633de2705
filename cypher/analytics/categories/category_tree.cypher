// What lies below a category, itself included: depth, parent, and the products directly in each.
// params:  category_id: str, limit: int = 500
// returns: category_id: str, category: str, depth: int, parent_id: str, products: int
// uses:    constraint category_id; up to ten levels
// example: category_id=pets-a949e347, limit=5
MATCH way = (:Category {category_id: $category_id})<-[:CHILD_OF*0..10]-(c:Category)
WITH c, min(length(way)) AS depth
OPTIONAL MATCH (c)-[:CHILD_OF]->(parent:Category)
WITH c, depth, min(parent.category_id) AS parent_id
OPTIONAL MATCH (c)<-[:IN_CATEGORY]-(p:Product)
RETURN c.category_id AS category_id, c.name AS category, depth, parent_id, count(p) AS products
ORDER BY depth, category_id
LIMIT $limit
