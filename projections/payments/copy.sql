-- Adds rows of payments to a table that has none of them.
COPY payments (
  order_id, payment_id, source_payment_id, method, status, currency, amount, captured, settled,
  reason_code, last_occurred_at,
  revision, position, event_id)
FROM STDIN (FORMAT binary)
