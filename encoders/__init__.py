"""Text of the nodes to vectors. Knows nothing of the learning in gnn."""
