// When users buy: purchases by day of the week (0 is Monday) and hour (UTC), from a time on.
// params:  since: time = 0, limit: int = 168
// returns: weekday: int [0..6 from Monday], hour: int [0..23 UTC], purchases: int, buyers: int
// uses:    a scan of the purchases; one hop; heavy: reads every purchase
// example: since=2025-10-01, limit=5
MATCH (u:User)-[e:BOUGHT]->(:Product)
WHERE e.at >= $since
RETURN (e.at / 86400000 + 3) % 7 AS weekday, e.at / 3600000 % 24 AS hour, count(e) AS purchases, count(DISTINCT u) AS buyers
ORDER BY weekday, hour
LIMIT $limit
