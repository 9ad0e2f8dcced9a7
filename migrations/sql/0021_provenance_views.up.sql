-- The views say which event a row is of.

CREATE OR REPLACE VIEW ledger.orders AS
SELECT
  order_id, source, source_account, source_order_id, merchant_reference, currency, amount_due,
  authorised, expected, captured, settled, received_externally, reversed, refund_pending, refunded,
  dispute_held, dispute_lost,
  captured + received_externally - reversed AS gross_paid,
  captured + received_externally - reversed - refunded - dispute_held - dispute_lost AS net,
  greatest(0, captured + received_externally - reversed - amount_due) AS overpaid,
  payment_state, refund_state, dispute_state, lifecycle, gateway_status, flags, first_recorded_at,
  last_recorded_at, revision, position, event_id
FROM ledger_data.orders;
COMMENT ON COLUMN ledger.orders.event_id IS 'Id of the newest event of its stream that it shows: the one at revision and position.';

CREATE OR REPLACE VIEW ledger.test_orders AS
SELECT
  order_id, source, source_account, source_order_id, merchant_reference, currency, amount_due,
  authorised, expected, captured, settled, received_externally, reversed, refund_pending, refunded,
  dispute_held, dispute_lost,
  captured + received_externally - reversed AS gross_paid,
  captured + received_externally - reversed - refunded - dispute_held - dispute_lost AS net,
  greatest(0, captured + received_externally - reversed - amount_due) AS overpaid,
  payment_state, refund_state, dispute_state, lifecycle, gateway_status, flags, first_recorded_at,
  last_recorded_at, revision, position, event_id
FROM ledger_data.test_orders;
COMMENT ON COLUMN ledger.test_orders.event_id IS 'Id of the newest event of its stream that it shows: the one at revision and position.';

CREATE OR REPLACE VIEW ledger.payouts AS
SELECT
  order_id, source, source_account, source_order_id, merchant_reference, currency, amount, paid_out,
  payout_state, flags, first_recorded_at, last_recorded_at, revision, position, event_id
FROM ledger_data.payouts;
COMMENT ON COLUMN ledger.payouts.event_id IS 'Id of the newest event of its stream that it shows: the one at revision and position.';

CREATE OR REPLACE VIEW ledger.payments AS
SELECT
  order_id, payment_id, source_payment_id, method, status, amount, captured, settled, reason_code,
  last_occurred_at, currency, revision, position, event_id
FROM ledger_data.payments;
COMMENT ON COLUMN ledger.payments.revision IS 'Number of the newest event about the payment itself in the order''s stream, counted from 0.';
COMMENT ON COLUMN ledger.payments.position IS 'Commit position of that event in the log.';
COMMENT ON COLUMN ledger.payments.event_id IS 'Id of that event.';

CREATE OR REPLACE VIEW ledger.refunds AS
SELECT
  order_id, payment_id, refund_id, amount, status, initiated_at, resolved_at, last_recorded_at,
  currency, source_refund_id, reason_code, revision, position, event_id
FROM ledger_data.refunds;
COMMENT ON COLUMN ledger.refunds.revision IS 'Number of the newest event about the refund in the order''s stream, counted from 0.';
COMMENT ON COLUMN ledger.refunds.position IS 'Commit position of that event in the log.';
COMMENT ON COLUMN ledger.refunds.event_id IS 'Id of that event.';

CREATE OR REPLACE VIEW ledger.disputes AS
SELECT
  order_id, dispute_id, track, stage, outcome, reason_code, arn, disputed_amount, held, lost,
  respond_by, currency, payment_id, revision, position, event_id
FROM ledger_data.disputes;
COMMENT ON COLUMN ledger.disputes.revision IS 'Number of the newest event about the dispute in the order''s stream, counted from 0.';
COMMENT ON COLUMN ledger.disputes.position IS 'Commit position of that event in the log.';
COMMENT ON COLUMN ledger.disputes.event_id IS 'Id of that event.';

CREATE OR REPLACE VIEW ledger.dispute_timeline AS
SELECT
  dispute_id, seq, stage, amount, moved, occurred_at, recorded_at, order_id, currency, event_id, revision, position
FROM ledger_data.dispute_timeline;
COMMENT ON COLUMN ledger.dispute_timeline.revision IS 'Number of the event that tells it in the order''s stream, counted from 0.';
COMMENT ON COLUMN ledger.dispute_timeline.position IS 'Commit position of that event in the log.';
