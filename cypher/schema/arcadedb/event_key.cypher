// One relationship of an event type for each event_id.
// uses:    nothing; runs before the first MERGE
CREATE CONSTRAINT {{constraint}} IF NOT EXISTS FOR ()-[e:{{relation}}]-() REQUIRE e.event_id IS UNIQUE
