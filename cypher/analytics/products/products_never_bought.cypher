// Products nobody bought, those most viewed or carted first.
// params:  limit: int = 50
// returns: product_id: str, title: str, attention: int
// uses:    a scan of the products; one hop; heavy: reads the events of each
// example: limit=5
MATCH (p:Product)
WHERE NOT EXISTS { (p)<-[:BOUGHT]-(:User) }
OPTIONAL MATCH (p)<-[e:VIEWED|CARTED]-(:User)
RETURN p.product_id AS product_id, p.title AS title, count(e) AS attention
ORDER BY attention DESC, product_id
LIMIT $limit
