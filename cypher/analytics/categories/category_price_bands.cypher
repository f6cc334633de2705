// Where a category sells: its products in bands of price, with purchases and buyers of each band.
// params:  category_id: str, width: float = 5.0 [price], limit: int = 100
// returns: band_from: float [price], products: int, purchases: int, buyers: int
// uses:    constraint category_id; two hops; categories below it up to five levels; products without a price do not count
// example: category_id=pets-a949e347, limit=5, width=10
MATCH (:Category {category_id: $category_id})<-[:CHILD_OF*0..5]-(:Category)<-[:IN_CATEGORY]-(p:Product)
WHERE p.price IS NOT NULL
WITH DISTINCT p, floor(p.price / $width) * $width AS band_from
OPTIONAL MATCH (p)<-[e:BOUGHT]-(u:User)
RETURN band_from, count(DISTINCT p) AS products, count(e) AS purchases, count(DISTINCT u) AS buyers
ORDER BY band_from
LIMIT $limit
