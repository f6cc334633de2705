// By brand: users who viewed, carted and bought one of its products.
// params:  limit: int = 50
// returns: brand_id: str, brand: str, viewers: int, carters: int, buyers: int
// uses:    a scan of the brands; two hops; heavy: reads every view, cart and purchase
// example: limit=5
MATCH (b:Brand)<-[:MADE_BY]-(:Product)<-[e:VIEWED|CARTED|BOUGHT]-(u:User)
WITH DISTINCT b, u, type(e) AS step
RETURN b.brand_id AS brand_id, b.name AS brand,
       sum(CASE WHEN step = 'VIEWED' THEN 1 ELSE 0 END) AS viewers,
       sum(CASE WHEN step = 'CARTED' THEN 1 ELSE 0 END) AS carters,
       sum(CASE WHEN step = 'BOUGHT' THEN 1 ELSE 0 END) AS buyers
ORDER BY buyers DESC, brand_id
LIMIT $limit
