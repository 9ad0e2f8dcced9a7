-- Writes the rows of refunds. Empty texts stand for what is not known.
INSERT INTO refunds (
  order_id, refund_id, payment_id, source_refund_id, currency, amount, status, reason_code,
  initiated_at, resolved_at, last_recorded_at,
  revision, position, event_id)
SELECT
  r.order_id, r.refund_id, nullif(r.payment_id, ''), nullif(r.source_refund_id, ''),
  nullif(r.currency, ''), nullif(r.amount, '')::numeric, r.status, nullif(r.reason_code, ''),
  r.initiated_at, r.resolved_at, r.last_recorded_at,
  r.revision, r.position, r.event_id
FROM unnest(
  $1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[],
  $8::text[], $9::timestamptz[], $10::timestamptz[], $11::timestamptz[],
  $12::bigint[], $13::bigint[], $14::uuid[])
AS r (
  order_id, refund_id, payment_id, source_refund_id, currency, amount, status, reason_code,
  initiated_at, resolved_at, last_recorded_at,
  revision, position, event_id)
ON CONFLICT (order_id, refund_id) DO UPDATE SET
  payment_id = excluded.payment_id, source_refund_id = excluded.source_refund_id,
  currency = excluded.currency, amount = excluded.amount, status = excluded.status,
  reason_code = excluded.reason_code, initiated_at = excluded.initiated_at,
  resolved_at = excluded.resolved_at, last_recorded_at = excluded.last_recorded_at,
  revision = excluded.revision, position = excluded.position, event_id = excluded.event_id
