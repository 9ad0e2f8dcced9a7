-- Writes the rows of disputes. Empty texts stand for what is not known.
INSERT INTO disputes (
  order_id, dispute_id, payment_id, track, stage, outcome, reason_code, arn, currency,
  disputed_amount, held, lost, respond_by,
  revision, position, event_id)
SELECT
  r.order_id, r.dispute_id, nullif(r.payment_id, ''), r.track, nullif(r.stage, ''),
  nullif(r.outcome, ''), nullif(r.reason_code, ''), nullif(r.arn, ''), nullif(r.currency, ''),
  nullif(r.disputed_amount, '')::numeric, r.held::numeric, r.lost::numeric, r.respond_by,
  r.revision, r.position, r.event_id
FROM unnest(
  $1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[],
  $8::text[], $9::text[], $10::text[], $11::text[], $12::text[], $13::timestamptz[],
  $14::bigint[], $15::bigint[], $16::uuid[])
AS r (
  order_id, dispute_id, payment_id, track, stage, outcome, reason_code, arn, currency,
  disputed_amount, held, lost, respond_by,
  revision, position, event_id)
ON CONFLICT (order_id, dispute_id) DO UPDATE SET
  payment_id = excluded.payment_id, track = excluded.track, stage = excluded.stage,
  outcome = excluded.outcome, reason_code = excluded.reason_code, arn = excluded.arn,
  currency = excluded.currency, disputed_amount = excluded.disputed_amount,
  held = excluded.held, lost = excluded.lost, respond_by = excluded.respond_by,
  revision = excluded.revision, position = excluded.position, event_id = excluded.event_id
