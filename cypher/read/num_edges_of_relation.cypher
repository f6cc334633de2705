// How many relationships of one type there are.
// returns: num_edges: int
// uses:    the count that servers keep
MATCH ()-[r:{{relation}}]->()
RETURN count(r) AS num_edges
