-- The newest event of the audit trail.
SELECT position, event_id FROM ledger_data.order_history ORDER BY position DESC LIMIT 1
