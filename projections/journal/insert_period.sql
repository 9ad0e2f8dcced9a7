-- Adds a closing or opening again of a period, once.
INSERT INTO period_changes (
  position, event_id, entity, period, closed, recorded_at, actor, approver, reason, trial_balance_sha256, up_to)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
ON CONFLICT (position) DO NOTHING
