// How two products hang together: the shortest ways from one to the other, by the relations they take.
// params:  product_id: str, other_id: str, limit: int = 20
// returns: hops: int, relations: list[str], paths: int
// uses:    constraint product_id for both ends; at most four hops; heavy between products of many users
// example: product_id=p0034, other_id=p1295, limit=5
MATCH (a:Product {product_id: $product_id}), (b:Product {product_id: $other_id})
MATCH way = allShortestPaths((a)-[*1..4]-(b))
WITH [relation IN relationships(way) | type(relation)] AS relations
RETURN size(relations) AS hops, relations, count(*) AS paths
ORDER BY paths DESC, relations
LIMIT $limit
