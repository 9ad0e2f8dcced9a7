-- The read models: everything that people ask of the ledger, folded from the event log (design D1, D9).
--
-- Schema ledger_data is private: its tables may change with any release. People and programs read the
-- views of schema ledger. Nothing here is a source of truth: all of it is rebuilt from the log.
--
-- Rules of every table:
--   * amounts are numeric, major units (12.50 = twelve and a half), never NaN or infinite, at most four
--     digits after the point; the currency (ISO 4217) is in the same row;
--   * what is not known is NULL, never an empty text or a zero;
--   * times are timestamptz in UTC;
--   * revision counts a stream's events from 0, position is the event's commit position in the log
--     (uint64 there; no log reaches 2^63, and the checks would say so).
-- Hot tables have no foreign keys and as few indexes as their readers need: each costs at every event.

CREATE SCHEMA ledger_data;
COMMENT ON SCHEMA ledger_data IS
  'Private tables of the order ledger. Read the views in schema ledger instead: these change without notice.';

-- Comparisons, not a type modifier, guard amounts: numeric(18,4) rounds silently and accepts NaN. NaN is
-- greater than every number, so the upper bound refuses it together with infinity.
CREATE FUNCTION ledger_data.is_balance(amount numeric) RETURNS boolean
  LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
$$ SELECT amount >= 0 AND amount < 1000000000000000000 AND scale(trim_scale(amount)) <= 4 $$;
COMMENT ON FUNCTION ledger_data.is_balance(numeric) IS
  'A finite amount that is not negative, below 10^18, with at most four digits after the point.';

CREATE FUNCTION ledger_data.is_signed_amount(amount numeric) RETURNS boolean
  LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
$$ SELECT amount > -1000000000000000000 AND amount < 1000000000000000000 AND scale(trim_scale(amount)) <= 4 $$;
COMMENT ON FUNCTION ledger_data.is_signed_amount(numeric) IS
  'A finite amount of either sign, below 10^18, with at most four digits after the point.';

-- Orders: one row per order, written at every event of it. fillfactor leaves room for updates in place.
CREATE TABLE ledger_data.orders (
  order_id            text        NOT NULL,
  source              text        NOT NULL,
  source_account      text        NOT NULL,
  source_order_id     text,
  merchant_reference  text,
  currency            text,
  amount_due          numeric,
  authorised          numeric     NOT NULL DEFAULT 0,
  expected            numeric     NOT NULL DEFAULT 0,
  captured            numeric     NOT NULL DEFAULT 0,
  settled             numeric     NOT NULL DEFAULT 0,
  received_externally numeric     NOT NULL DEFAULT 0,
  reversed            numeric     NOT NULL DEFAULT 0,
  refund_pending      numeric     NOT NULL DEFAULT 0,
  refunded            numeric     NOT NULL DEFAULT 0,
  dispute_held        numeric     NOT NULL DEFAULT 0,
  dispute_lost        numeric     NOT NULL DEFAULT 0,
  payment_state       text        NOT NULL,
  refund_state        text        NOT NULL,
  dispute_state       text        NOT NULL,
  lifecycle           text        NOT NULL,
  gateway_status      text,
  flags               text[]      NOT NULL DEFAULT '{}',
  first_recorded_at   timestamptz NOT NULL,
  last_recorded_at    timestamptz NOT NULL,
  revision            bigint      NOT NULL,
  position            bigint      NOT NULL,
  CONSTRAINT orders_pkey PRIMARY KEY (order_id),
  CONSTRAINT orders_source_order_id_known CHECK (source_order_id <> ''),
  CONSTRAINT orders_merchant_reference_known CHECK (merchant_reference <> ''),
  CONSTRAINT orders_currency_code CHECK (currency ~ '^[A-Z]{3}$'),
  CONSTRAINT orders_amount_due_valid CHECK (ledger_data.is_balance(amount_due)),
  CONSTRAINT orders_authorised_valid CHECK (ledger_data.is_balance(authorised)),
  CONSTRAINT orders_expected_valid CHECK (ledger_data.is_balance(expected)),
  CONSTRAINT orders_captured_valid CHECK (ledger_data.is_balance(captured)),
  CONSTRAINT orders_settled_valid CHECK (ledger_data.is_balance(settled)),
  CONSTRAINT orders_received_externally_valid CHECK (ledger_data.is_balance(received_externally)),
  CONSTRAINT orders_reversed_valid CHECK (ledger_data.is_balance(reversed)),
  CONSTRAINT orders_refund_pending_valid CHECK (ledger_data.is_balance(refund_pending)),
  CONSTRAINT orders_refunded_valid CHECK (ledger_data.is_balance(refunded)),
  CONSTRAINT orders_dispute_held_valid CHECK (ledger_data.is_balance(dispute_held)),
  CONSTRAINT orders_dispute_lost_valid CHECK (ledger_data.is_balance(dispute_lost)),
  CONSTRAINT orders_payment_state_word CHECK (payment_state IN ('UNPAID', 'PARTIALLY_PAID', 'PAID')),
  CONSTRAINT orders_refund_state_word CHECK (refund_state IN ('NONE', 'PENDING', 'PARTIAL', 'FULL')),
  CONSTRAINT orders_dispute_state_word
    CHECK (dispute_state IN ('NONE', 'INQUIRY', 'OPEN', 'WON', 'LOST', 'MIXED')),
  CONSTRAINT orders_lifecycle_word
    CHECK (lifecycle IN ('OPEN', 'OVERDUE', 'EXPIRED', 'CANCELLED', 'REJECTED')),
  CONSTRAINT orders_revision_valid CHECK (revision >= 0),
  CONSTRAINT orders_position_valid CHECK (position >= 0)
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.05);

CREATE INDEX orders_merchant_reference_idx ON ledger_data.orders (merchant_reference);
CREATE INDEX orders_source_order_idx ON ledger_data.orders (source, source_order_id);
-- Most orders are paid; who asks by state looks for the others.
CREATE INDEX orders_unpaid_idx ON ledger_data.orders (payment_state) WHERE payment_state <> 'PAID';

-- Test orders: the same columns, kept apart so that no sum can ever include them.
CREATE TABLE ledger_data.test_orders (LIKE ledger_data.orders INCLUDING ALL) WITH (fillfactor = 80);

-- Payments: one row per payment of an order.
CREATE TABLE ledger_data.payments (
  order_id          text        NOT NULL,
  payment_id        text        NOT NULL,
  source_payment_id text,
  method            text,
  status            text        NOT NULL,
  currency          text,
  amount            numeric,
  captured          numeric     NOT NULL DEFAULT 0,
  settled           numeric     NOT NULL DEFAULT 0,
  reason_code       text,
  last_occurred_at  timestamptz NOT NULL,
  CONSTRAINT payments_pkey PRIMARY KEY (order_id, payment_id),
  CONSTRAINT payments_source_payment_id_known CHECK (source_payment_id <> ''),
  CONSTRAINT payments_method_known CHECK (method <> ''),
  CONSTRAINT payments_currency_code CHECK (currency ~ '^[A-Z]{3}$'),
  CONSTRAINT payments_amount_valid CHECK (ledger_data.is_balance(amount)),
  CONSTRAINT payments_captured_valid CHECK (ledger_data.is_balance(captured)),
  CONSTRAINT payments_settled_valid CHECK (ledger_data.is_balance(settled)),
  CONSTRAINT payments_reason_code_known CHECK (reason_code <> '')
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.05);

CREATE INDEX payments_source_payment_idx ON ledger_data.payments (source_payment_id);

-- Refunds: one row per refund of an order. The amount may be told later than the refund.
CREATE TABLE ledger_data.refunds (
  order_id         text        NOT NULL,
  refund_id        text        NOT NULL,
  payment_id       text,
  source_refund_id text,
  currency         text,
  amount           numeric,
  status           text        NOT NULL,
  reason_code      text,
  initiated_at     timestamptz,
  resolved_at      timestamptz,
  last_recorded_at timestamptz NOT NULL,
  CONSTRAINT refunds_pkey PRIMARY KEY (order_id, refund_id),
  CONSTRAINT refunds_payment_id_known CHECK (payment_id <> ''),
  CONSTRAINT refunds_source_refund_id_known CHECK (source_refund_id <> ''),
  CONSTRAINT refunds_currency_code CHECK (currency ~ '^[A-Z]{3}$'),
  CONSTRAINT refunds_amount_valid CHECK (ledger_data.is_balance(amount)),
  CONSTRAINT refunds_status_word CHECK (status IN ('INITIATED', 'COMPLETED', 'FAILED', 'REVERSED')),
  CONSTRAINT refunds_reason_code_known CHECK (reason_code <> '')
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.05);

-- Disputes: one row per dispute about a payment; the track, the stage and the money are separate facts.
CREATE TABLE ledger_data.disputes (
  order_id        text        NOT NULL,
  dispute_id      text        NOT NULL,
  payment_id      text,
  track           text        NOT NULL,
  stage           text,
  outcome         text,
  reason_code     text,
  arn             text,
  currency        text,
  disputed_amount numeric,
  held            numeric     NOT NULL DEFAULT 0,
  lost            numeric     NOT NULL DEFAULT 0,
  respond_by      timestamptz,
  CONSTRAINT disputes_pkey PRIMARY KEY (order_id, dispute_id),
  CONSTRAINT disputes_payment_id_known CHECK (payment_id <> ''),
  CONSTRAINT disputes_stage_known CHECK (stage <> ''),
  CONSTRAINT disputes_outcome_known CHECK (outcome <> ''),
  CONSTRAINT disputes_reason_code_known CHECK (reason_code <> ''),
  CONSTRAINT disputes_arn_known CHECK (arn <> ''),
  CONSTRAINT disputes_currency_code CHECK (currency ~ '^[A-Z]{3}$'),
  CONSTRAINT disputes_disputed_amount_valid CHECK (ledger_data.is_balance(disputed_amount)),
  CONSTRAINT disputes_held_valid CHECK (ledger_data.is_balance(held)),
  CONSTRAINT disputes_lost_valid CHECK (ledger_data.is_balance(lost))
);

CREATE INDEX disputes_dispute_idx ON ledger_data.disputes (dispute_id);

-- Timeline of disputes: one row per step, counted from 1 within its dispute.
CREATE TABLE ledger_data.dispute_timeline (
  order_id    text        NOT NULL,
  dispute_id  text        NOT NULL,
  seq         integer     NOT NULL,
  stage       text        NOT NULL,
  currency    text,
  amount      numeric,
  moved       numeric     NOT NULL DEFAULT 0,
  occurred_at timestamptz NOT NULL,
  recorded_at timestamptz NOT NULL,
  event_id    uuid        NOT NULL,
  CONSTRAINT dispute_timeline_pkey PRIMARY KEY (order_id, dispute_id, seq),
  CONSTRAINT dispute_timeline_seq_valid CHECK (seq >= 1),
  CONSTRAINT dispute_timeline_currency_code CHECK (currency ~ '^[A-Z]{3}$'),
  CONSTRAINT dispute_timeline_amount_valid CHECK (ledger_data.is_balance(amount)),
  CONSTRAINT dispute_timeline_moved_valid CHECK (ledger_data.is_signed_amount(moved))
);

CREATE INDEX dispute_timeline_dispute_idx ON ledger_data.dispute_timeline (dispute_id);

-- Payouts: money out. They are no customer's money and stand in no other table of money.
CREATE TABLE ledger_data.payouts (
  order_id           text        NOT NULL,
  source             text        NOT NULL,
  source_account     text        NOT NULL,
  source_order_id    text,
  merchant_reference text,
  currency           text,
  amount             numeric,
  paid_out           numeric     NOT NULL DEFAULT 0,
  payout_state       text        NOT NULL,
  flags              text[]      NOT NULL DEFAULT '{}',
  first_recorded_at  timestamptz NOT NULL,
  last_recorded_at   timestamptz NOT NULL,
  revision           bigint      NOT NULL,
  position           bigint      NOT NULL,
  CONSTRAINT payouts_pkey PRIMARY KEY (order_id),
  CONSTRAINT payouts_source_order_id_known CHECK (source_order_id <> ''),
  CONSTRAINT payouts_merchant_reference_known CHECK (merchant_reference <> ''),
  CONSTRAINT payouts_currency_code CHECK (currency ~ '^[A-Z]{3}$'),
  CONSTRAINT payouts_amount_valid CHECK (ledger_data.is_balance(amount)),
  CONSTRAINT payouts_paid_out_valid CHECK (ledger_data.is_balance(paid_out)),
  CONSTRAINT payouts_payout_state_word CHECK (payout_state IN
    ('REQUESTED', 'PROCESSING', 'PAID', 'FAILED', 'CANCELLED', 'REVERSED')),
  CONSTRAINT payouts_revision_valid CHECK (revision >= 0),
  CONSTRAINT payouts_position_valid CHECK (position >= 0)
) WITH (fillfactor = 80);

CREATE INDEX payouts_source_order_idx ON ledger_data.payouts (source, source_order_id);

-- History: every event of every order as it was recorded. The widest and fastest growing table: rows are
-- only ever added, so pages are filled and vacuum has nothing to do but to freeze. The position is part of
-- the key because a foreign writer could put one order id into two categories of streams: both are kept.
-- Data and metadata are JSON kept as text, which is several times cheaper to write; the public view shows
-- them as jsonb, and the projection lets nothing in that jsonb could refuse.
CREATE TABLE ledger_data.order_history (
  order_id    text        NOT NULL,
  revision    bigint      NOT NULL,
  position    bigint      NOT NULL,
  event_id    uuid        NOT NULL,
  event_type  text        NOT NULL,
  occurred_at timestamptz NOT NULL,
  recorded_at timestamptz NOT NULL,
  source      text        NOT NULL,
  actor       text        NOT NULL,
  data        text        NOT NULL,
  metadata    text        NOT NULL,
  CONSTRAINT order_history_pkey PRIMARY KEY (order_id, revision, position),
  CONSTRAINT order_history_revision_valid CHECK (revision >= 0),
  CONSTRAINT order_history_position_valid CHECK (position >= 0)
);

CREATE INDEX order_history_position_idx ON ledger_data.order_history (position);

-- Quarantine: notifications that belong to no order, each once by the id of its event.
CREATE TABLE ledger_data.quarantine (
  event_id        uuid        NOT NULL,
  notification_id text        NOT NULL,
  source          text        NOT NULL,
  source_account  text        NOT NULL,
  code            text        NOT NULL,
  detail          text,
  received_at     timestamptz NOT NULL,
  body_sha256     text        NOT NULL,
  position        bigint      NOT NULL,
  CONSTRAINT quarantine_pkey PRIMARY KEY (event_id),
  CONSTRAINT quarantine_body_sha256_hex CHECK (body_sha256 ~ '^[0-9a-f]{64}$'),
  CONSTRAINT quarantine_position_valid CHECK (position >= 0)
);

CREATE INDEX quarantine_notification_idx ON ledger_data.quarantine (notification_id);
CREATE INDEX quarantine_position_idx ON ledger_data.quarantine (position);

-- Parked orders: those that cannot be projected, with the first event that could not, and how many later
-- ones are held back behind it (design D12).
CREATE TABLE ledger_data.parked_orders (
  order_id   text        NOT NULL,
  stream     text        NOT NULL,
  revision   bigint      NOT NULL,
  position   bigint      NOT NULL,
  event_id   uuid        NOT NULL,
  event_type text        NOT NULL,
  reason     text        NOT NULL,
  since      timestamptz NOT NULL,
  held_back  bigint      NOT NULL DEFAULT 0,
  CONSTRAINT parked_orders_pkey PRIMARY KEY (stream),
  CONSTRAINT parked_orders_revision_valid CHECK (revision >= 0),
  CONSTRAINT parked_orders_position_valid CHECK (position >= 0)
);

-- The checkpoint: one row. NULL positions mean that nothing was projected so far. The epoch grows by one
-- whenever a runner takes over; a runner of an older epoch can move nothing any more (design D10).
CREATE TABLE ledger_data.checkpoint (
  singleton        boolean     NOT NULL DEFAULT true,
  epoch            bigint      NOT NULL,
  commit_position  bigint,
  prepare_position bigint,
  updated_at       timestamptz NOT NULL,
  CONSTRAINT checkpoint_pkey PRIMARY KEY (singleton),
  CONSTRAINT checkpoint_one_row CHECK (singleton),
  CONSTRAINT checkpoint_epoch_valid CHECK (epoch >= 0),
  CONSTRAINT checkpoint_positions_valid CHECK (commit_position >= 0 AND prepare_position >= 0),
  CONSTRAINT checkpoint_both_or_none CHECK ((commit_position IS NULL) = (prepare_position IS NULL))
) WITH (fillfactor = 10);

INSERT INTO ledger_data.checkpoint (epoch, updated_at) VALUES (0, clock_timestamp());

CREATE FUNCTION ledger_data.take_checkpoint(
  OUT epoch bigint, OUT commit_position bigint, OUT prepare_position bigint)
  LANGUAGE sql VOLATILE AS
$$
  UPDATE ledger_data.checkpoint c SET epoch = c.epoch + 1, updated_at = clock_timestamp()
  RETURNING c.epoch, c.commit_position, c.prepare_position
$$;
COMMENT ON FUNCTION ledger_data.take_checkpoint() IS
  'Takes over the checkpoint: raises the epoch, so that whoever held it before can move nothing any more, and returns it with the position to go on from (NULL = from the start of the log).';

-- It raises unless the checkpoint moved, so that a transaction whose statements were sent in one go, the
-- commit included, cannot commit rows without their checkpoint.
CREATE FUNCTION ledger_data.move_checkpoint(
  own_epoch bigint, old_commit bigint, old_prepare bigint, new_commit bigint, new_prepare bigint)
  RETURNS void LANGUAGE plpgsql VOLATILE AS
$$
DECLARE
  held ledger_data.checkpoint;
BEGIN
  IF new_commit IS NULL OR new_prepare IS NULL
     OR (new_commit, new_prepare) <= (old_commit, old_prepare) THEN
    RAISE EXCEPTION 'the checkpoint does not move forwards: from C:%/P:% to C:%/P:%',
      old_commit, old_prepare, new_commit, new_prepare USING ERRCODE = 'LG003';
  END IF;
  UPDATE ledger_data.checkpoint c
     SET commit_position = new_commit, prepare_position = new_prepare, updated_at = clock_timestamp()
   WHERE c.epoch = own_epoch
     AND c.commit_position IS NOT DISTINCT FROM old_commit
     AND c.prepare_position IS NOT DISTINCT FROM old_prepare;
  IF FOUND THEN
    RETURN;
  END IF;
  SELECT * INTO held FROM ledger_data.checkpoint;
  IF held.epoch > own_epoch THEN
    RAISE EXCEPTION 'the checkpoint was taken over: epoch % is not %', held.epoch, own_epoch
      USING ERRCODE = 'LG002';
  ELSIF held.epoch = own_epoch
        AND held.commit_position = new_commit AND held.prepare_position = new_prepare THEN
    RAISE EXCEPTION 'the checkpoint is there already: C:%/P:%', new_commit, new_prepare
      USING ERRCODE = 'LG001';
  END IF;
  RAISE EXCEPTION 'the checkpoint is not where it was left: epoch %, C:%/P:%, not epoch %, C:%/P:%',
    held.epoch, held.commit_position, held.prepare_position, own_epoch, old_commit, old_prepare
    USING ERRCODE = 'LG003';
END
$$;
COMMENT ON FUNCTION ledger_data.move_checkpoint(bigint, bigint, bigint, bigint, bigint) IS
  'Moves the checkpoint if it is exactly where the caller left it. Otherwise raises: LG001 = it is at the new position already (an earlier commit was not seen), LG002 = another runner took over (stop), LG003 = mismatch (a bug: stop loudly).';
