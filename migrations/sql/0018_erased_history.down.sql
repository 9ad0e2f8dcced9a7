-- The audit trail shows sealed values as they stand in the log, though nobody can open them.
CREATE OR REPLACE VIEW ledger.order_history AS
SELECT
  order_id, revision, position, event_id, event_type, occurred_at, recorded_at, source, actor,
  data::jsonb AS data, metadata::jsonb AS metadata
FROM ledger_data.order_history;
