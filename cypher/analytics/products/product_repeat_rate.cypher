// For each product: the share of its buyers who bought it on another day too, and the days from one to the next.
// params:  min_buyers: int = 5, limit: int = 50
// returns: product_id: str, title: str, buyers: int, repeaters: int, rate: float [0..1], every_days: float [days]
// uses:    a scan of the purchases; one hop; heavy: reads every purchase; timed purchases only
// example: limit=5
MATCH (u:User)-[e:BOUGHT]->(p:Product)
WHERE e.at IS NOT NULL
WITH p, u, count(DISTINCT e.at / 86400000) AS times, max(e.at) - min(e.at) AS span
WITH p, count(u) AS buyers, sum(CASE WHEN times > 1 THEN 1 ELSE 0 END) AS repeaters,
     sum(CASE WHEN times > 1 THEN span ELSE 0 END) AS spans, sum(times - 1) AS steps
WHERE buyers >= $min_buyers
RETURN p.product_id AS product_id, p.title AS title, buyers, repeaters, toFloat(repeaters) / buyers AS rate,
       CASE steps WHEN 0 THEN null ELSE spans / 86400000.0 / steps END AS every_days
ORDER BY rate DESC, buyers DESC, product_id
LIMIT $limit
