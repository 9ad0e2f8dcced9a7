-- Adds rows of refunds to a table that has none of them.
COPY refunds (
  order_id, refund_id, payment_id, source_refund_id, currency, amount, status, reason_code,
  initiated_at, resolved_at, last_recorded_at,
  revision, position, event_id)
FROM STDIN (FORMAT binary)
