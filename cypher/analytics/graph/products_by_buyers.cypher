// The long tail: how many products have no buyer, 1, 2 to 3, 4 to 7 and so on, and their share of all purchases.
// params:  limit: int = 50
// returns: buyers_from: int, products: int, share: float [0..1]
// uses:    a scan of the products; one hop; heavy: reads every purchase
// example: limit=5
MATCH (p:Product)
OPTIONAL MATCH (p)<-[e:BOUGHT]-(u:User)
WITH p, count(DISTINCT u) AS buyers, count(e) AS purchases
WITH CASE buyers WHEN 0 THEN 0 ELSE head([b IN range(0, 40) WHERE buyers < 2 ^ (b + 1) | toInteger(2 ^ b)]) END AS buyers_from,
     count(p) AS products, sum(purchases) AS purchases
WITH collect({buyers_from: buyers_from, products: products, purchases: purchases}) AS rows, sum(purchases) AS every
UNWIND rows AS row
RETURN row.buyers_from AS buyers_from, row.products AS products,
       CASE every WHEN 0 THEN 0.0 ELSE toFloat(row.purchases) / every END AS share
ORDER BY buyers_from
LIMIT $limit
