// Every relationship of one node with its properties and the node at its other end.
// params:  id: str
// returns: relation: str, properties: map, label: str, other: map
// uses:    constraint on the key of the kind; one hop; streamed
MATCH (n:{{label}} { {{key}}: $id })-[r]-(m)
RETURN type(r) AS relation, properties(r) AS properties, labels(m)[0] AS label, properties(m) AS other
