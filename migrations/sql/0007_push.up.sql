-- Outgoing webhooks are delivered at least once, so what is planned and what became of it is kept.
CREATE SCHEMA ledger_push;
COMMENT ON SCHEMA ledger_push IS
  'Outgoing webhooks of the order ledger. Private: changes without notice. No rebuild of the views touches it.';

-- Up to where in the log deliveries were planned is moved by the transaction that plans them.
CREATE TABLE ledger_push.subscribers (
  name            text        NOT NULL,
  planned_commit  bigint      NOT NULL,
  planned_prepare bigint      NOT NULL,
  disabled_at     timestamptz,
  disabled_reason text,
  given_up        integer     NOT NULL DEFAULT 0,
  delivered       bigint      NOT NULL DEFAULT 0,
  last_success_at timestamptz,
  last_failure_at timestamptz,
  last_problem    text,
  created_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
  CONSTRAINT subscribers_pkey PRIMARY KEY (name),
  CONSTRAINT subscribers_planned_valid CHECK (planned_commit >= 0 AND planned_prepare >= 0)
);
COMMENT ON COLUMN ledger_push.subscribers.given_up IS 'Deliveries given up since the last one that succeeded.';

-- One row per delivery that is not done. Ids grow in the order of the log.
CREATE TABLE ledger_push.deliveries (
  id           bigint      GENERATED ALWAYS AS IDENTITY,
  subscriber   text        NOT NULL,
  event_id     uuid        NOT NULL,
  order_id     text        NOT NULL,
  name         text        NOT NULL,
  body         text        NOT NULL,
  state        text        NOT NULL DEFAULT 'PENDING',
  attempts     integer     NOT NULL DEFAULT 0,
  due_at       timestamptz NOT NULL,
  planned_at   timestamptz NOT NULL,
  last_status  integer,
  last_problem text,
  dead_at      timestamptz,
  CONSTRAINT deliveries_pkey PRIMARY KEY (id),
  CONSTRAINT deliveries_once UNIQUE (subscriber, event_id),
  CONSTRAINT deliveries_of FOREIGN KEY (subscriber) REFERENCES ledger_push.subscribers,
  CONSTRAINT deliveries_state_word CHECK (state IN ('PENDING', 'DEAD')),
  CONSTRAINT deliveries_dead_since CHECK ((state = 'DEAD') = (dead_at IS NOT NULL))
);
CREATE INDEX deliveries_due ON ledger_push.deliveries (subscriber, due_at, id) WHERE state = 'PENDING';
CREATE INDEX deliveries_order ON ledger_push.deliveries (subscriber, order_id, id);

-- What became of deliveries, on its way to the log. A batch is appended under ids made of its own.
CREATE TABLE ledger_push.history (
  id         bigint      GENERATED ALWAYS AS IDENTITY,
  subscriber text        NOT NULL,
  type       text        NOT NULL,
  data       jsonb       NOT NULL,
  at         timestamptz NOT NULL,
  batch      uuid,
  CONSTRAINT history_pkey PRIMARY KEY (id)
);
CREATE INDEX history_of ON ledger_push.history (subscriber, id);
