-- Adds rows of live orders to a table that has none of them.
COPY orders (
  order_id, source, source_account, source_order_id, merchant_reference, currency, amount_due,
  authorised, expected, captured, settled, received_externally, reversed, refund_pending,
  refunded, dispute_held, dispute_lost, payment_state, refund_state, dispute_state, lifecycle,
  gateway_status, flags, first_recorded_at, last_recorded_at, revision, position,
  event_id)
FROM STDIN (FORMAT binary)
