-- The newest event of the audit trail.
SELECT position, event_id FROM order_history ORDER BY position DESC LIMIT 1
