// The properties of one node; no row when it is not there.
// params:  id: str
// returns: properties: map
// uses:    constraint on the key of the kind
MATCH (n:{{label}} { {{key}}: $id })
RETURN properties(n) AS properties
LIMIT 1
