// Products with the best mean rating among those with enough ratings.
// params:  min_ratings: int = 5, limit: int = 50
// returns: product_id: str, title: str, ratings: int, mean: float [rating]
// uses:    a scan of the ratings; one hop; heavy: reads every rating
// example: limit=5
MATCH (p:Product)<-[e:RATED]-(:User)
WHERE e.value IS NOT NULL
WITH p, count(e) AS ratings, avg(e.value) AS mean
WHERE ratings >= $min_ratings
RETURN p.product_id AS product_id, p.title AS title, ratings, mean
ORDER BY mean DESC, ratings DESC, product_id
LIMIT $limit
