// How many different products lie in a basket; a basket is what one user bought on one day (UTC).
// params:  since: time = 0, limit: int = 1000
// returns: products: int, baskets: int
// uses:    a scan of the purchases; one hop; heavy: reads every purchase
// example: since=2025-10-01, limit=5
MATCH (u:User)-[e:BOUGHT]->(p:Product)
WHERE e.at >= $since
WITH u, e.at / 86400000 AS day, count(DISTINCT p) AS products
RETURN products, count(*) AS baskets
ORDER BY products
LIMIT $limit
