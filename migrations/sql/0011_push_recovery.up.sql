-- Outgoing webhooks are planned from one log: which one is proven, and what is known of them is brought back from the log.
ALTER TABLE ledger_push.subscribers
  ADD COLUMN anchor_stream   text,
  ADD COLUMN anchor_revision bigint,
  ADD COLUMN anchor_digest   bytea,
  ADD COLUMN added_id        uuid,
  ADD COLUMN recovering_to   bigint,
  ADD COLUMN held_at         timestamptz,
  ADD COLUMN held_reason     text,
  ADD COLUMN resume_from     text,
  ADD COLUMN resume_actor    text,
  ADD COLUMN configured      boolean NOT NULL DEFAULT true,
  ADD COLUMN ordered         boolean NOT NULL DEFAULT false,
  ADD CONSTRAINT subscribers_anchor_whole CHECK (num_nonnulls(anchor_stream, anchor_revision, anchor_digest) IN (0, 3)),
  ADD CONSTRAINT subscribers_held_why CHECK (num_nonnulls(held_at, held_reason) IN (0, 2));
COMMENT ON COLUMN ledger_push.subscribers.anchor_digest IS
  'Of the event at the planned position, which stands in anchor_stream: what proves that the log is the same.';
COMMENT ON COLUMN ledger_push.subscribers.added_id IS 'The WebhookSubscriberAdded event that the subscription began with.';
COMMENT ON COLUMN ledger_push.subscribers.recovering_to IS
  'Until planning comes to this commit position, ledger_push.settled tells what had become of events before.';
COMMENT ON COLUMN ledger_push.subscribers.resume_from IS 'Where an operator wants planning to begin anew: beginning, now, or a position.';

-- Where a delivery's event stands, for its body to be made again; no body means that it could not be made.
-- Of an order's waiting deliveries only the first is its head while the subscriber wants them in order.
ALTER TABLE ledger_push.deliveries
  ADD COLUMN stream      text,
  ADD COLUMN revision    bigint,
  ADD COLUMN head        boolean NOT NULL DEFAULT true,
  ADD COLUMN last_answer text,
  ALTER COLUMN body DROP NOT NULL,
  ADD CONSTRAINT deliveries_body_or_event CHECK (body IS NOT NULL OR num_nonnulls(stream, revision) = 2);
DROP INDEX ledger_push.deliveries_due;
CREATE INDEX deliveries_due ON ledger_push.deliveries (subscriber, due_at, id) WHERE state = 'PENDING' AND head;
CREATE INDEX deliveries_waiting ON ledger_push.deliveries (subscriber, planned_at) WHERE state = 'PENDING';

ALTER TABLE ledger_push.history ADD COLUMN actor text NOT NULL DEFAULT 'system';

-- What the log tells of events that are planned once more.
CREATE TABLE ledger_push.settled (
  subscriber text    NOT NULL,
  event_id   uuid    NOT NULL,
  dead       boolean NOT NULL,
  attempts   integer NOT NULL,
  status     integer,
  problem    text,
  CONSTRAINT settled_pkey PRIMARY KEY (subscriber, event_id),
  CONSTRAINT settled_of FOREIGN KEY (subscriber) REFERENCES ledger_push.subscribers ON DELETE CASCADE
);
COMMENT ON COLUMN ledger_push.settled.dead IS 'A dead letter; otherwise delivered or discarded, and not sent again.';
