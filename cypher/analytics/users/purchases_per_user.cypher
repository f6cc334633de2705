// How many users made how many purchases, those without any included.
// params:  limit: int = 1000
// returns: purchases: int, users: int
// uses:    a scan of the users; one hop; heavy: reads every purchase
// example: limit=5
MATCH (u:User)
OPTIONAL MATCH (u)-[e:BOUGHT]->(:Product)
WITH u, count(e) AS purchases
RETURN purchases, count(u) AS users
ORDER BY purchases
LIMIT $limit
