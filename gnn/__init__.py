"""Learning on the graph and measuring what was learned. Scoring itself (gnn.score) is numpy and imports no torch."""
