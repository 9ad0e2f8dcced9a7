-- Writes the rows of payments. Empty texts stand for what is not known.
INSERT INTO payments (
  order_id, payment_id, source_payment_id, method, status, currency, amount, captured, settled,
  reason_code, last_occurred_at,
  revision, position, event_id)
SELECT
  r.order_id, r.payment_id, nullif(r.source_payment_id, ''), nullif(r.method, ''), r.status,
  nullif(r.currency, ''), nullif(r.amount, '')::numeric, r.captured::numeric,
  r.settled::numeric, nullif(r.reason_code, ''), r.last_occurred_at,
  r.revision, r.position, r.event_id
FROM unnest(
  $1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[],
  $8::text[], $9::text[], $10::text[], $11::timestamptz[],
  $12::bigint[], $13::bigint[], $14::uuid[])
AS r (
  order_id, payment_id, source_payment_id, method, status, currency, amount, captured, settled,
  reason_code, last_occurred_at,
  revision, position, event_id)
ON CONFLICT (order_id, payment_id) DO UPDATE SET
  source_payment_id = excluded.source_payment_id, method = excluded.method,
  status = excluded.status, currency = excluded.currency, amount = excluded.amount,
  captured = excluded.captured, settled = excluded.settled, reason_code = excluded.reason_code,
  last_occurred_at = excluded.last_occurred_at,
  revision = excluded.revision, position = excluded.position, event_id = excluded.event_id
