-- Writes down what makes the rows of the views.
WITH stored AS (UPDATE ledger_data.checkpoint SET fingerprint = $1 RETURNING 1)
SELECT count(*) FROM stored
