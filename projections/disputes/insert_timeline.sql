-- Adds steps to the timelines of disputes. A step that is there already does not change.
INSERT INTO dispute_timeline (
  order_id, dispute_id, seq, stage, currency, amount, moved, occurred_at, recorded_at,
  revision, position, event_id)
SELECT
  r.order_id, r.dispute_id, r.seq, r.stage, nullif(r.currency, ''),
  nullif(r.amount, '')::numeric, r.moved::numeric, r.occurred_at, r.recorded_at,
  r.revision, r.position, r.event_id
FROM unnest(
  $1::text[], $2::text[], $3::bigint[], $4::text[], $5::text[], $6::text[], $7::text[],
  $8::timestamptz[], $9::timestamptz[], $10::bigint[], $11::bigint[],
  $12::uuid[])
AS r (
  order_id, dispute_id, seq, stage, currency, amount, moved, occurred_at, recorded_at,
  revision, position, event_id)
ON CONFLICT (order_id, dispute_id, seq) DO NOTHING
