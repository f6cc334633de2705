// By week (Monday, UTC): users with any view, cart or purchase, those who bought, and those seen for the first time.
// params:  limit: int = 104
// returns: week_start: time, users: int, buyers: int, new_users: int
// uses:    a scan of the users; one hop; heavy: reads every view, cart and purchase; weeks start at epoch day 4, a Monday
// example: limit=5
MATCH (u:User)-[e:VIEWED|CARTED|BOUGHT]->(:Product)
WHERE e.at IS NOT NULL
WITH u, (e.at - 345600000) / 604800000 AS week, max(CASE WHEN type(e) = 'BOUGHT' THEN 1 ELSE 0 END) AS bought
WITH u, min(week) AS first_week, collect({week: week, bought: bought}) AS weeks
UNWIND weeks AS row
RETURN row.week * 604800000 + 345600000 AS week_start, count(u) AS users, sum(row.bought) AS buyers,
       sum(CASE WHEN row.week = first_week THEN 1 ELSE 0 END) AS new_users
ORDER BY week_start
LIMIT $limit
