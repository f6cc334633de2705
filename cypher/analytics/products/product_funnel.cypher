// For each product of a category: users who viewed, carted and bought it, and buyers per viewer.
// params:  category_id: str, min_viewers: int = 1, limit: int = 50
// returns: product_id: str, title: str, viewers: int, carters: int, buyers: int, rate: float [buyers per viewer]
// uses:    constraint category_id; two hops; only the products directly in it
// example: category_id=pets/dogs/dog-food-409c4a72, limit=5
MATCH (:Category {category_id: $category_id})<-[:IN_CATEGORY]-(p:Product)<-[e:VIEWED|CARTED|BOUGHT]-(u:User)
WITH DISTINCT p, u, type(e) AS step
WITH p, sum(CASE WHEN step = 'VIEWED' THEN 1 ELSE 0 END) AS viewers,
     sum(CASE WHEN step = 'CARTED' THEN 1 ELSE 0 END) AS carters,
     sum(CASE WHEN step = 'BOUGHT' THEN 1 ELSE 0 END) AS buyers
WHERE viewers >= 1 AND viewers >= $min_viewers
RETURN p.product_id AS product_id, p.title AS title, viewers, carters, buyers, toFloat(buyers) / viewers AS rate
ORDER BY viewers DESC, product_id
LIMIT $limit
