// What a user pays: quartiles of the prices of what they bought; a purchase counts as often as it was made.
// params:  user_id: str
// returns: purchases: int, cheapest: float [price], quarter: float [price], median: float [price], three_quarters: float [price], dearest: float [price]
// uses:    constraint user_id; one hop; products without a price do not count
// example: user_id=u267
MATCH (:User {user_id: $user_id})-[e:BOUGHT]->(p:Product)
WHERE p.price IS NOT NULL
RETURN count(e) AS purchases, min(p.price) AS cheapest, percentileCont(p.price, 0.25) AS quarter,
       percentileCont(p.price, 0.5) AS median, percentileCont(p.price, 0.75) AS three_quarters, max(p.price) AS dearest
LIMIT 1
