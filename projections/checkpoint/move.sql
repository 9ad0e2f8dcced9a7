-- Moves the checkpoint if it is exactly where the caller left it, and fails otherwise.
SELECT move_checkpoint($1, $2, $3, $4, $5, $6, $7)
