// Of the users whose first purchase fell into a period: how many bought again so many periods later.
// params:  period_days: int = 28 [days], limit: int = 1000
// returns: cohort_start: time, periods_later: int, users: int, share: float [0..1]
// uses:    a scan of the users; one hop; heavy: reads every purchase; timed purchases only; periods count from 1970-01-01 UTC
// example: limit=6, period_days=91
MATCH (u:User)-[e:BOUGHT]->(:Product)
WHERE e.at IS NOT NULL
WITH u, e.at / ($period_days * 86400000) AS period
WITH u, min(period) AS cohort, collect(DISTINCT period) AS periods
UNWIND periods AS period
WITH cohort, period - cohort AS periods_later, count(u) AS users
WITH cohort, collect({later: periods_later, users: users}) AS rows, max(users) AS size
UNWIND rows AS row
RETURN cohort * $period_days * 86400000 AS cohort_start, row.later AS periods_later, row.users AS users,
       toFloat(row.users) / size AS share
ORDER BY cohort_start, periods_later
LIMIT $limit
