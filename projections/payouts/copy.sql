-- Adds rows of payouts to a table that has none of them.
COPY payouts (
  order_id, source, source_account, source_order_id, merchant_reference, currency, amount,
  paid_out, payout_state, flags, first_recorded_at, last_recorded_at, revision, position,
  event_id)
FROM STDIN (FORMAT binary)
