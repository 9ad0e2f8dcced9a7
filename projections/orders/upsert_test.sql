-- Writes the rows of test orders. Empty texts stand for what is not known. A row never goes back in revision.
INSERT INTO test_orders (
  order_id, source, source_account, source_order_id, merchant_reference, currency, amount_due,
  authorised, expected, captured, settled, received_externally, reversed, refund_pending,
  refunded, dispute_held, dispute_lost, payment_state, refund_state, dispute_state, lifecycle,
  gateway_status, flags, first_recorded_at, last_recorded_at, revision, position,
  event_id)
SELECT
  r.order_id, r.source, r.source_account, nullif(r.source_order_id, ''),
  nullif(r.merchant_reference, ''), nullif(r.currency, ''), nullif(r.amount_due, '')::numeric,
  r.authorised::numeric, r.expected::numeric, r.captured::numeric, r.settled::numeric,
  r.received_externally::numeric, r.reversed::numeric, r.refund_pending::numeric,
  r.refunded::numeric, r.dispute_held::numeric, r.dispute_lost::numeric, r.payment_state,
  r.refund_state, r.dispute_state, r.lifecycle, nullif(r.gateway_status, ''), r.flags::text[],
  r.first_recorded_at, r.last_recorded_at, r.revision, r.position,
  r.event_id
FROM unnest(
  $1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[],
  $8::text[], $9::text[], $10::text[], $11::text[], $12::text[], $13::text[], $14::text[],
  $15::text[], $16::text[], $17::text[], $18::text[], $19::text[], $20::text[], $21::text[],
  $22::text[], $23::text[], $24::timestamptz[], $25::timestamptz[], $26::bigint[],
  $27::bigint[], $28::uuid[])
AS r (
  order_id, source, source_account, source_order_id, merchant_reference, currency, amount_due,
  authorised, expected, captured, settled, received_externally, reversed, refund_pending,
  refunded, dispute_held, dispute_lost, payment_state, refund_state, dispute_state, lifecycle,
  gateway_status, flags, first_recorded_at, last_recorded_at, revision, position,
  event_id)
ON CONFLICT (order_id) DO UPDATE SET
  source = excluded.source, source_account = excluded.source_account,
  source_order_id = excluded.source_order_id, merchant_reference = excluded.merchant_reference,
  currency = excluded.currency, amount_due = excluded.amount_due,
  authorised = excluded.authorised, expected = excluded.expected, captured = excluded.captured,
  settled = excluded.settled, received_externally = excluded.received_externally,
  reversed = excluded.reversed, refund_pending = excluded.refund_pending,
  refunded = excluded.refunded, dispute_held = excluded.dispute_held,
  dispute_lost = excluded.dispute_lost, payment_state = excluded.payment_state,
  refund_state = excluded.refund_state, dispute_state = excluded.dispute_state,
  lifecycle = excluded.lifecycle, gateway_status = excluded.gateway_status,
  flags = excluded.flags, first_recorded_at = excluded.first_recorded_at,
  last_recorded_at = excluded.last_recorded_at, revision = excluded.revision,
  position = excluded.position, event_id = excluded.event_id
WHERE test_orders.revision <= excluded.revision
