-- Writes parked orders, or how many events wait behind their parked one.
INSERT INTO parked_orders (
  stream, order_id, revision, position, event_id, event_type, reason, since, held_back)
SELECT
  r.stream, r.order_id, r.revision, r.position, r.event_id, r.event_type, r.reason, r.since,
  r.held_back
FROM unnest(
  $1::text[], $2::text[], $3::bigint[], $4::bigint[], $5::uuid[], $6::text[], $7::text[],
  $8::timestamptz[], $9::bigint[])
AS r (
  stream, order_id, revision, position, event_id, event_type, reason, since, held_back)
ON CONFLICT (stream) DO UPDATE SET
  order_id = excluded.order_id, revision = excluded.revision, position = excluded.position,
  event_id = excluded.event_id, event_type = excluded.event_type, reason = excluded.reason,
  since = excluded.since, held_back = excluded.held_back
