// Whether the database answers.
// returns: answer: int
// uses:    nothing
// example:
RETURN 1 AS answer
