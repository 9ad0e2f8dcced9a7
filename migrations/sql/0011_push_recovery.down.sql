-- Which log webhooks are planned from is no longer proven.
DROP TABLE ledger_push.settled;
ALTER TABLE ledger_push.history DROP COLUMN actor;
DROP INDEX ledger_push.deliveries_waiting;
DROP INDEX ledger_push.deliveries_due;
CREATE INDEX deliveries_due ON ledger_push.deliveries (subscriber, due_at, id) WHERE state = 'PENDING';
-- What has no body cannot be kept.
DELETE FROM ledger_push.deliveries WHERE body IS NULL;
ALTER TABLE ledger_push.deliveries
  DROP CONSTRAINT deliveries_body_or_event,
  ALTER COLUMN body SET NOT NULL,
  DROP COLUMN stream, DROP COLUMN revision, DROP COLUMN head, DROP COLUMN last_answer;
ALTER TABLE ledger_push.subscribers
  DROP CONSTRAINT subscribers_anchor_whole, DROP CONSTRAINT subscribers_held_why,
  DROP COLUMN anchor_stream, DROP COLUMN anchor_revision, DROP COLUMN anchor_digest, DROP COLUMN added_id, DROP COLUMN recovering_to,
  DROP COLUMN held_at, DROP COLUMN held_reason, DROP COLUMN resume_from, DROP COLUMN resume_actor, DROP COLUMN configured, DROP COLUMN ordered;
