-- Writes down what makes the rows of the views.
WITH stored AS (UPDATE checkpoint SET fingerprint = $1 RETURNING 1)
SELECT count(*) FROM stored
