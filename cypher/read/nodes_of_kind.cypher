// Every node of one kind with its properties.
// returns: properties: map
// uses:    a scan of the label; streamed
MATCH (n:{{label}})
RETURN properties(n) AS properties
