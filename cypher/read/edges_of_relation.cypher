// Every relationship of one relation, one row a source node that has any.
// returns: from_id: str, edges: list
// uses:    a scan of the source label, one hop; streamed
MATCH (source:{{source}})
WITH source, [(source)-[r:{{relation}}]->(target:{{target}}) | [target.{{target_key}}, r.at, r.weight]] AS edges
WHERE size(edges) > 0
RETURN source.{{source_key}} AS from_id, edges
