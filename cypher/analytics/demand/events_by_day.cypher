// Views, carts, purchases and ratings by day (UTC), newest first: a day that is missing is a gap in the feed.
// params:  since: time = 0, limit: int = 31
// returns: day: time, viewed: int, carted: int, bought: int, rated: int
// uses:    a scan of the events; one hop; heavy: reads every event
// example: since=2025-12-01, limit=5
MATCH (:User)-[e:VIEWED|CARTED|BOUGHT|RATED]->(:Product)
WHERE e.at >= $since
WITH e.at / 86400000 AS day, type(e) AS kind
RETURN day * 86400000 AS day, sum(CASE WHEN kind = 'VIEWED' THEN 1 ELSE 0 END) AS viewed,
       sum(CASE WHEN kind = 'CARTED' THEN 1 ELSE 0 END) AS carted,
       sum(CASE WHEN kind = 'BOUGHT' THEN 1 ELSE 0 END) AS bought,
       sum(CASE WHEN kind = 'RATED' THEN 1 ELSE 0 END) AS rated
ORDER BY day DESC
LIMIT $limit
