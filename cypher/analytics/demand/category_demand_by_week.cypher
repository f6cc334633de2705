// One category and all below it by week (Monday, UTC): units, revenue and buyers; a missing quantity counts one unit.
// params:  category_id: str, since: time = 0, limit: int = 104
// returns: week_start: time, units: float, revenue: float [price], buyers: int
// uses:    constraint category_id; two hops; categories below it up to five levels; weeks start at epoch day 4, a Monday
// example: category_id=pets-a949e347, since=2025-10-01, limit=5
MATCH (:Category {category_id: $category_id})<-[:CHILD_OF*0..5]-(:Category)<-[:IN_CATEGORY]-(p:Product)
WITH DISTINCT p
MATCH (p)<-[e:BOUGHT]-(u:User)
WHERE e.at >= $since
WITH u, p, coalesce(e.quantity, 1.0) AS units, (e.at - 345600000) / 604800000 AS week
RETURN week * 604800000 + 345600000 AS week_start, sum(units) AS units, sum(units * coalesce(p.price, 0.0)) AS revenue,
       count(DISTINCT u) AS buyers
ORDER BY week_start
LIMIT $limit
