-- Adds events to the audit trail. An event that is there already is a bug: it fails the transaction.
INSERT INTO ledger_data.order_history (
  order_id, revision, position, event_id, event_type, occurred_at, recorded_at, source, actor,
  data, metadata)
SELECT
  r.order_id, r.revision, r.position, r.event_id, r.event_type, r.occurred_at, r.recorded_at,
  r.source, r.actor, r.data, r.metadata
FROM unnest(
  $1::text[], $2::bigint[], $3::bigint[], $4::uuid[], $5::text[], $6::timestamptz[],
  $7::timestamptz[], $8::text[], $9::text[], $10::jsonb[], $11::jsonb[])
AS r (
  order_id, revision, position, event_id, event_type, occurred_at, recorded_at, source, actor,
  data, metadata)
