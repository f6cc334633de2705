// Pairs of products that lie in the same basket most often, with support and lift; a basket is one user's day (UTC).
// params:  since: time, min_baskets: int = 2, limit: int = 50
// returns: product_id: str, other_id: str, baskets: int, support: float [0..1], lift: float [times]
// uses:    a scan of the purchases; two hops; heavy: forms every pair of every basket; no pairs from baskets of more than 50 products
// example: since=2025-10-01, min_baskets=1, limit=5
MATCH (u:User)-[e:BOUGHT]->(p:Product)
WHERE e.at >= $since
WITH u, e.at / 86400000 AS day, collect(DISTINCT p) AS basket
WITH collect(basket) AS baskets
WITH size(baskets) AS every, [basket IN baskets WHERE size(basket) > 1 AND size(basket) <= 50] AS baskets
UNWIND baskets AS basket
UNWIND basket AS one
UNWIND basket AS other
WITH every, one, other
WHERE one.product_id < other.product_id
WITH every, one, other, count(*) AS both
WHERE both >= $min_baskets
WITH every, one, other, both
ORDER BY both DESC, one.product_id, other.product_id
LIMIT $limit
MATCH (one)<-[e:BOUGHT]-(u:User)
WHERE e.at >= $since
WITH DISTINCT every, one, other, both, u, e.at / 86400000 AS day
WITH every, one, other, both, count(*) AS ones
MATCH (other)<-[e:BOUGHT]-(u:User)
WHERE e.at >= $since
WITH DISTINCT every, one, other, both, ones, u, e.at / 86400000 AS day
WITH every, one, other, both, ones, count(*) AS others
RETURN one.product_id AS product_id, other.product_id AS other_id, both AS baskets, toFloat(both) / every AS support,
       toFloat(both) * every / (ones * others) AS lift
ORDER BY baskets DESC, product_id, other_id
