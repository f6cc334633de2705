// Whether the database answers.
// returns: answer: int
// uses:    nothing
RETURN 1 AS answer
