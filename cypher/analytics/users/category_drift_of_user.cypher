// How the categories of a user's purchases shifted: their shares before a time and from it on, greatest change first.
// params:  user_id: str, split: time, limit: int = 20
// returns: category_id: str, category: str, share_before: float [0..1], share_after: float [0..1], change: float [-1..1]
// uses:    constraint user_id; two hops; timed purchases only; a product in two categories counts in both
// example: user_id=u267, split=2025-07-01, limit=5
MATCH (:User {user_id: $user_id})-[e:BOUGHT]->(:Product)-[:IN_CATEGORY]->(c:Category)
WHERE e.at IS NOT NULL
WITH c, sum(CASE WHEN e.at < $split THEN 1 ELSE 0 END) AS before, sum(CASE WHEN e.at < $split THEN 0 ELSE 1 END) AS after
WITH collect({category_id: c.category_id, category: c.name, before: before, after: after}) AS rows,
     sum(before) AS all_before, sum(after) AS all_after
UNWIND rows AS row
WITH row, CASE all_before WHEN 0 THEN 0.0 ELSE toFloat(row.before) / all_before END AS share_before,
     CASE all_after WHEN 0 THEN 0.0 ELSE toFloat(row.after) / all_after END AS share_after
RETURN row.category_id AS category_id, row.category AS category, share_before, share_after,
       share_after - share_before AS change
ORDER BY abs(change) DESC, category_id
LIMIT $limit
