-- Writes the rows of payout orders. Empty texts stand for what is not known. A row never goes back in
-- revision.
INSERT INTO payouts (
  order_id, source, source_account, source_order_id, merchant_reference, currency, amount,
  paid_out, payout_state, flags, first_recorded_at, last_recorded_at, revision, position,
  event_id)
SELECT
  r.order_id, r.source, r.source_account, nullif(r.source_order_id, ''),
  nullif(r.merchant_reference, ''), nullif(r.currency, ''), nullif(r.amount, '')::numeric,
  r.paid_out::numeric, r.payout_state, r.flags::text[], r.first_recorded_at,
  r.last_recorded_at, r.revision, r.position, r.event_id
FROM unnest(
  $1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[],
  $8::text[], $9::text[], $10::text[], $11::timestamptz[], $12::timestamptz[], $13::bigint[],
  $14::bigint[], $15::uuid[])
AS r (
  order_id, source, source_account, source_order_id, merchant_reference, currency, amount,
  paid_out, payout_state, flags, first_recorded_at, last_recorded_at, revision, position,
  event_id)
ON CONFLICT (order_id) DO UPDATE SET
  source = excluded.source, source_account = excluded.source_account,
  source_order_id = excluded.source_order_id, merchant_reference = excluded.merchant_reference,
  currency = excluded.currency, amount = excluded.amount, paid_out = excluded.paid_out,
  payout_state = excluded.payout_state, flags = excluded.flags,
  first_recorded_at = excluded.first_recorded_at, last_recorded_at = excluded.last_recorded_at,
  revision = excluded.revision, position = excluded.position,
  event_id = excluded.event_id
WHERE payouts.revision <= excluded.revision
