// One node of a kind for each key.
// uses:    nothing; runs before the first MERGE
CREATE CONSTRAINT {{constraint}} IF NOT EXISTS FOR (n:{{label}}) REQUIRE n.{{key}} IS UNIQUE
