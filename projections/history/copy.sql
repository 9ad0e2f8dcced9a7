-- Adds events to the audit trail. An event that is there already is a bug: it fails the transaction.
COPY order_history (
  order_id, revision, position, event_id, event_type, occurred_at, recorded_at, source, actor, data, metadata)
FROM STDIN (FORMAT binary)
