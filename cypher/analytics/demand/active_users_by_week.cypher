// By week (Monday, UTC): users with any view, cart or purchase, those who bought, and those seen for the first time.
// params:  limit: int = 104
// returns: week_start: time, users: int, buyers: int, new_users: int
// uses:    a scan of the users; one hop; heavy: reads every view, cart and purchase; weeks start at epoch day 4, a Monday
// example: limit=5
MATCH (u:User)-[e:VIEWED|CARTED|BOUGHT]->(:Product)
WHERE e.at IS NOT NULL
WITH u, (e.at - 345600000) / 604800000 AS week, CASE WHEN type(e) = 'BOUGHT' THEN 1 ELSE 0 END AS bought
WITH u, min(week) AS first_week, collect(DISTINCT 2 * week + bought) AS marks
UNWIND marks AS mark
WITH mark / 2 AS week, mark % 2 AS bought, first_week,
     CASE WHEN mark % 2 = 1 AND (mark - 1) IN marks THEN 0 ELSE 1 END AS is_first
RETURN week * 604800000 + 345600000 AS week_start, sum(is_first) AS users, sum(bought) AS buyers,
       sum(CASE WHEN week = first_week THEN is_first ELSE 0 END) AS new_users
ORDER BY week_start
LIMIT $limit
