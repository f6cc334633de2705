"""The graph: tables in, a property graph over Bolt, snapshots and typed path operators out. Knows no torch."""
