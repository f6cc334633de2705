// Products a user has not bought, by the purchases in common with the users who bought them: collaborative filtering.
// params:  user_id: str, limit: int = 20
// returns: product_id: str, title: str, buyers: int, in_common: int
// uses:    constraint user_id; three hops; heavy where users bought hundreds of products
// example: user_id=u267, limit=5
MATCH (u:User {user_id: $user_id})-[:BOUGHT]->(mine:Product)
WITH u, collect(DISTINCT mine) AS owned
UNWIND owned AS mine
MATCH (mine)<-[:BOUGHT]-(other:User)
WHERE other <> u
WITH owned, other, count(DISTINCT mine) AS shared
MATCH (other)-[:BOUGHT]->(p:Product)
WHERE NOT p IN owned
WITH DISTINCT p, other, shared
RETURN p.product_id AS product_id, p.title AS title, count(other) AS buyers, sum(shared) AS in_common
ORDER BY in_common DESC, product_id
LIMIT $limit
