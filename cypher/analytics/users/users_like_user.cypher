// Users who bought much the same, by the share of products in common among all that either bought (Jaccard).
// params:  user_id: str, min_common: int = 2, limit: int = 20
// returns: user_id: str, in_common: int, products: int, jaccard: float [0..1]
// uses:    constraint user_id; three hops; heavy where the user bought products of many buyers
// example: user_id=u267, limit=5
MATCH (u:User {user_id: $user_id})-[:BOUGHT]->(mine:Product)
WITH u, collect(DISTINCT mine) AS owned
UNWIND owned AS mine
MATCH (mine)<-[:BOUGHT]-(other:User)
WHERE other <> u
WITH size(owned) AS owns, other, count(DISTINCT mine) AS in_common
WHERE in_common >= $min_common
MATCH (other)-[:BOUGHT]->(p:Product)
WITH owns, other, in_common, count(DISTINCT p) AS products
RETURN other.user_id AS user_id, in_common, products, toFloat(in_common) / (owns + products - in_common) AS jaccard
ORDER BY jaccard DESC, user_id
LIMIT $limit
