-- The audit trail shows envelopes whole, however they are kept.
CREATE OR REPLACE VIEW ledger.order_history AS
SELECT
  order_id, revision, position, event_id, event_type, occurred_at, recorded_at, source, actor,
  CASE
    WHEN event_type = 'CommandRecorded' AND data::jsonb ? 'sealed' AND EXISTS (
      SELECT FROM ledger_data.order_history erased
      WHERE erased.order_id = told.order_id AND erased.event_type = 'PersonalDataErased')
    THEN jsonb_set(data::jsonb, '{sealed}', '"[erased]"')
    ELSE data::jsonb
  END AS data,
  ledger_data.envelope(metadata, source, actor) AS metadata
FROM ledger_data.order_history told;
