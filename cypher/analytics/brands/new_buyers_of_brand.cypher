// A brand by week (Monday, UTC): buyers for the first time, and buyers who had bought it in an earlier week.
// params:  brand_id: str, limit: int = 104
// returns: week_start: time, new_buyers: int, returning_buyers: int
// uses:    constraint brand_id; two hops; timed purchases only; weeks start at epoch day 4, a Monday
// example: brand_id=maplefield-6c1bcf66, limit=5
MATCH (:Brand {brand_id: $brand_id})<-[:MADE_BY]-(:Product)<-[e:BOUGHT]-(u:User)
WHERE e.at IS NOT NULL
WITH u, (e.at - 345600000) / 604800000 AS week
WITH u, min(week) AS first_week, collect(DISTINCT week) AS weeks
UNWIND weeks AS week
RETURN week * 604800000 + 345600000 AS week_start, sum(CASE WHEN week = first_week THEN 1 ELSE 0 END) AS new_buyers,
       sum(CASE WHEN week = first_week THEN 0 ELSE 1 END) AS returning_buyers
ORDER BY week_start
LIMIT $limit
