// Ids of every event of one type of some products, one row a product that has any.
// params:  product_ids: list[str]
// returns: product_id: str, event_ids: list
// uses:    constraint product_id, one hop
UNWIND $product_ids AS product_id
MATCH (p:Product {product_id: product_id})
WITH p, [(:User)-[e:{{relation}}]->(p) | e.event_id] AS event_ids
WHERE size(event_ids) > 0
RETURN p.product_id AS product_id, event_ids
