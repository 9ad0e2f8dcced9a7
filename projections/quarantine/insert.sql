-- Adds quarantined notifications, each once: the first event with an id counts.
INSERT INTO quarantine (
  event_id, notification_id, source, source_account, code, detail, received_at, body_sha256,
  position)
SELECT
  r.event_id, r.notification_id, r.source, r.source_account, r.code, nullif(r.detail, ''),
  r.received_at, r.body_sha256, r.position
FROM unnest(
  $1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::timestamptz[],
  $8::text[], $9::bigint[])
AS r (
  event_id, notification_id, source, source_account, code, detail, received_at, body_sha256,
  position)
ON CONFLICT (event_id) DO NOTHING
