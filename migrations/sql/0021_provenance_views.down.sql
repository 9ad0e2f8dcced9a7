-- The views do not say which event a row is of.

DROP VIEW ledger.orders, ledger.test_orders, ledger.payouts, ledger.payments, ledger.refunds, ledger.disputes, ledger.dispute_timeline;

CREATE VIEW ledger.orders AS
SELECT
  order_id, source, source_account, source_order_id, merchant_reference, currency, amount_due,
  authorised, expected, captured, settled, received_externally, reversed, refund_pending, refunded,
  dispute_held, dispute_lost,
  captured + received_externally - reversed AS gross_paid,
  captured + received_externally - reversed - refunded - dispute_held - dispute_lost AS net,
  greatest(0, captured + received_externally - reversed - amount_due) AS overpaid,
  payment_state, refund_state, dispute_state, lifecycle, gateway_status, flags, first_recorded_at,
  last_recorded_at, revision, position
FROM ledger_data.orders;
COMMENT ON VIEW ledger.orders IS
  'One row per customer order: who, how much is due, what came, what went back, and its states. Amounts in major units of the row''s currency, times in UTC.';
COMMENT ON COLUMN ledger.orders.order_id IS 'Our id of the order (ULID).';
COMMENT ON COLUMN ledger.orders.source IS 'The gateway: decta, everifin or connectpay; or manual.';
COMMENT ON COLUMN ledger.orders.source_account IS 'The merchant account at the gateway, as it is named in the configuration.';
COMMENT ON COLUMN ledger.orders.source_order_id IS 'The gateway''s id of the order; NULL where it gave none.';
COMMENT ON COLUMN ledger.orders.merchant_reference IS 'The merchant''s own order number; NULL where none is known.';
COMMENT ON COLUMN ledger.orders.currency IS 'ISO 4217 code of every amount in this row; NULL until the first amount is known.';
COMMENT ON COLUMN ledger.orders.amount_due IS 'What the customer is asked to pay, major units; NULL while unknown.';
COMMENT ON COLUMN ledger.orders.authorised IS 'Held on the customer''s card and neither captured nor released, major units.';
COMMENT ON COLUMN ledger.orders.expected IS 'Confirmed by the payer''s bank and not yet captured, major units.';
COMMENT ON COLUMN ledger.orders.captured IS 'Taken from customers in all, before anything was given back, major units.';
COMMENT ON COLUMN ledger.orders.settled IS 'Of what was captured: reported as settled to the merchant, major units.';
COMMENT ON COLUMN ledger.orders.received_externally IS 'Received outside the gateway, major units.';
COMMENT ON COLUMN ledger.orders.reversed IS 'Captured and taken back by reversal, major units.';
COMMENT ON COLUMN ledger.orders.refund_pending IS 'Refunds that were initiated and have no outcome yet, major units.';
COMMENT ON COLUMN ledger.orders.refunded IS 'Refunds that were completed and not reversed, major units.';
COMMENT ON COLUMN ledger.orders.dispute_held IS 'Withdrawn because of disputes and neither returned nor finally lost, major units.';
COMMENT ON COLUMN ledger.orders.dispute_lost IS 'Finally lost in disputes, major units.';
COMMENT ON COLUMN ledger.orders.gross_paid IS 'captured + received_externally - reversed, major units.';
COMMENT ON COLUMN ledger.orders.net IS 'gross_paid - refunded - dispute_held - dispute_lost, major units; negative when more was given back than came.';
COMMENT ON COLUMN ledger.orders.overpaid IS 'What was paid above the amount due, major units; 0 while the amount due is unknown.';
COMMENT ON COLUMN ledger.orders.payment_state IS 'UNPAID, PARTIALLY_PAID or PAID: gross_paid against amount_due, nothing else.';
COMMENT ON COLUMN ledger.orders.refund_state IS 'NONE, PENDING, PARTIAL or FULL.';
COMMENT ON COLUMN ledger.orders.dispute_state IS 'NONE, INQUIRY, OPEN, WON, LOST or MIXED.';
COMMENT ON COLUMN ledger.orders.lifecycle IS 'OPEN, OVERDUE, EXPIRED, CANCELLED or REJECTED: the last due-date or closing fact; payment does not change it.';
COMMENT ON COLUMN ledger.orders.gateway_status IS 'The gateway''s newest status word, verbatim.';
COMMENT ON COLUMN ledger.orders.flags IS 'What is unusual about the order, as codes, sorted; for example {paid_after_close}.';
COMMENT ON COLUMN ledger.orders.first_recorded_at IS 'When the ledger learnt of the order first (UTC).';
COMMENT ON COLUMN ledger.orders.last_recorded_at IS 'When the ledger learnt of its newest event (UTC).';
COMMENT ON COLUMN ledger.orders.revision IS 'Number of the order''s newest event, counted from 0.';
COMMENT ON COLUMN ledger.orders.position IS 'Commit position of that event in the log.';

CREATE VIEW ledger.test_orders AS
SELECT
  order_id, source, source_account, source_order_id, merchant_reference, currency, amount_due,
  authorised, expected, captured, settled, received_externally, reversed, refund_pending, refunded,
  dispute_held, dispute_lost,
  captured + received_externally - reversed AS gross_paid,
  captured + received_externally - reversed - refunded - dispute_held - dispute_lost AS net,
  greatest(0, captured + received_externally - reversed - amount_due) AS overpaid,
  payment_state, refund_state, dispute_state, lifecycle, gateway_status, flags, first_recorded_at,
  last_recorded_at, revision, position
FROM ledger_data.test_orders;
COMMENT ON VIEW ledger.test_orders IS
  'Orders that a gateway marked as tests; the same columns as ledger.orders. They are counted nowhere else.';
COMMENT ON COLUMN ledger.test_orders.order_id IS 'Our id of the order (ULID).';
COMMENT ON COLUMN ledger.test_orders.source IS 'The gateway: decta, everifin or connectpay; or manual.';
COMMENT ON COLUMN ledger.test_orders.source_account IS 'The merchant account at the gateway, as it is named in the configuration.';
COMMENT ON COLUMN ledger.test_orders.source_order_id IS 'The gateway''s id of the order; NULL where it gave none.';
COMMENT ON COLUMN ledger.test_orders.merchant_reference IS 'The merchant''s own order number; NULL where none is known.';
COMMENT ON COLUMN ledger.test_orders.currency IS 'ISO 4217 code of every amount in this row; NULL until the first amount is known.';
COMMENT ON COLUMN ledger.test_orders.amount_due IS 'What the customer is asked to pay, major units; NULL while unknown.';
COMMENT ON COLUMN ledger.test_orders.authorised IS 'Held on the customer''s card and neither captured nor released, major units.';
COMMENT ON COLUMN ledger.test_orders.expected IS 'Confirmed by the payer''s bank and not yet captured, major units.';
COMMENT ON COLUMN ledger.test_orders.captured IS 'Taken from customers in all, before anything was given back, major units.';
COMMENT ON COLUMN ledger.test_orders.settled IS 'Of what was captured: reported as settled to the merchant, major units.';
COMMENT ON COLUMN ledger.test_orders.received_externally IS 'Received outside the gateway, major units.';
COMMENT ON COLUMN ledger.test_orders.reversed IS 'Captured and taken back by reversal, major units.';
COMMENT ON COLUMN ledger.test_orders.refund_pending IS 'Refunds that were initiated and have no outcome yet, major units.';
COMMENT ON COLUMN ledger.test_orders.refunded IS 'Refunds that were completed and not reversed, major units.';
COMMENT ON COLUMN ledger.test_orders.dispute_held IS 'Withdrawn because of disputes and neither returned nor finally lost, major units.';
COMMENT ON COLUMN ledger.test_orders.dispute_lost IS 'Finally lost in disputes, major units.';
COMMENT ON COLUMN ledger.test_orders.gross_paid IS 'captured + received_externally - reversed, major units.';
COMMENT ON COLUMN ledger.test_orders.net IS 'gross_paid - refunded - dispute_held - dispute_lost, major units; negative when more was given back than came.';
COMMENT ON COLUMN ledger.test_orders.overpaid IS 'What was paid above the amount due, major units; 0 while the amount due is unknown.';
COMMENT ON COLUMN ledger.test_orders.payment_state IS 'UNPAID, PARTIALLY_PAID or PAID: gross_paid against amount_due, nothing else.';
COMMENT ON COLUMN ledger.test_orders.refund_state IS 'NONE, PENDING, PARTIAL or FULL.';
COMMENT ON COLUMN ledger.test_orders.dispute_state IS 'NONE, INQUIRY, OPEN, WON, LOST or MIXED.';
COMMENT ON COLUMN ledger.test_orders.lifecycle IS 'OPEN, OVERDUE, EXPIRED, CANCELLED or REJECTED: the last due-date or closing fact; payment does not change it.';
COMMENT ON COLUMN ledger.test_orders.gateway_status IS 'The gateway''s newest status word, verbatim.';
COMMENT ON COLUMN ledger.test_orders.flags IS 'What is unusual about the order, as codes, sorted; for example {paid_after_close}.';
COMMENT ON COLUMN ledger.test_orders.first_recorded_at IS 'When the ledger learnt of the order first (UTC).';
COMMENT ON COLUMN ledger.test_orders.last_recorded_at IS 'When the ledger learnt of its newest event (UTC).';
COMMENT ON COLUMN ledger.test_orders.revision IS 'Number of the order''s newest event, counted from 0.';
COMMENT ON COLUMN ledger.test_orders.position IS 'Commit position of that event in the log.';

CREATE VIEW ledger.payouts AS
SELECT
  order_id, source, source_account, source_order_id, merchant_reference, currency, amount, paid_out,
  payout_state, flags, first_recorded_at, last_recorded_at, revision, position
FROM ledger_data.payouts;
COMMENT ON VIEW ledger.payouts IS
  'One row per payout order (money out to somebody). Payouts stand in no other view of money. Amounts in major units, times in UTC.';
COMMENT ON COLUMN ledger.payouts.order_id IS 'Our id of the order (ULID).';
COMMENT ON COLUMN ledger.payouts.source IS 'The gateway.';
COMMENT ON COLUMN ledger.payouts.source_account IS 'The merchant account at the gateway.';
COMMENT ON COLUMN ledger.payouts.source_order_id IS 'The gateway''s id; NULL where it gave none.';
COMMENT ON COLUMN ledger.payouts.merchant_reference IS 'The merchant''s own number; NULL where none is known.';
COMMENT ON COLUMN ledger.payouts.currency IS 'ISO 4217 code of the amounts; NULL until known.';
COMMENT ON COLUMN ledger.payouts.amount IS 'What is to be paid out, major units; NULL while unknown.';
COMMENT ON COLUMN ledger.payouts.paid_out IS 'What was paid out and did not come back, major units.';
COMMENT ON COLUMN ledger.payouts.payout_state IS 'REQUESTED, PROCESSING, PAID, FAILED, CANCELLED or REVERSED.';
COMMENT ON COLUMN ledger.payouts.flags IS 'What is unusual about it, as codes, sorted.';
COMMENT ON COLUMN ledger.payouts.first_recorded_at IS 'When the ledger learnt of it first (UTC).';
COMMENT ON COLUMN ledger.payouts.last_recorded_at IS 'When the ledger learnt of its newest event (UTC).';
COMMENT ON COLUMN ledger.payouts.revision IS 'Number of its newest event, counted from 0.';
COMMENT ON COLUMN ledger.payouts.position IS 'Commit position of that event in the log.';

CREATE VIEW ledger.payments AS
SELECT
  order_id, payment_id, source_payment_id, method, status, amount, captured, settled, reason_code,
  last_occurred_at, currency
FROM ledger_data.payments;
COMMENT ON VIEW ledger.payments IS
  'One row per payment of a customer order (an order may have several attempts). Amounts in major units, times in UTC.';
COMMENT ON COLUMN ledger.payments.order_id IS 'Our id of the order (ULID).';
COMMENT ON COLUMN ledger.payments.payment_id IS 'Our id of the payment (ULID).';
COMMENT ON COLUMN ledger.payments.source_payment_id IS 'The gateway''s id of the payment; NULL where it gave none.';
COMMENT ON COLUMN ledger.payments.method IS 'How it is paid, as the gateway names it; NULL while unknown.';
COMMENT ON COLUMN ledger.payments.status IS 'Where the payment stands, for example PENDING, AUTHORISED, CAPTURED, SETTLED, FAILED.';
COMMENT ON COLUMN ledger.payments.amount IS 'What the payer was asked for in this payment, major units; NULL while unknown.';
COMMENT ON COLUMN ledger.payments.captured IS 'What was taken, major units.';
COMMENT ON COLUMN ledger.payments.settled IS 'Of that, reported as settled, major units.';
COMMENT ON COLUMN ledger.payments.reason_code IS 'Why it failed, as the gateway says; NULL where there is no reason.';
COMMENT ON COLUMN ledger.payments.last_occurred_at IS 'When its newest fact happened, as the gateway tells (UTC).';
COMMENT ON COLUMN ledger.payments.currency IS 'ISO 4217 code of the amounts; NULL until known.';

CREATE VIEW ledger.refunds AS
SELECT
  order_id, payment_id, refund_id, amount, status, initiated_at, resolved_at, last_recorded_at,
  currency, source_refund_id, reason_code
FROM ledger_data.refunds;
COMMENT ON VIEW ledger.refunds IS
  'One row per refund of a customer order. Amounts in major units, times in UTC.';
COMMENT ON COLUMN ledger.refunds.order_id IS 'Our id of the order (ULID).';
COMMENT ON COLUMN ledger.refunds.payment_id IS 'Our id of the payment that is refunded (ULID); NULL where it is not known.';
COMMENT ON COLUMN ledger.refunds.refund_id IS 'Our id of the refund (ULID).';
COMMENT ON COLUMN ledger.refunds.amount IS 'What is to be, or was, refunded, major units; NULL while unknown.';
COMMENT ON COLUMN ledger.refunds.status IS 'INITIATED, COMPLETED, FAILED or REVERSED.';
COMMENT ON COLUMN ledger.refunds.initiated_at IS 'When it was asked for (UTC); NULL when it was never announced.';
COMMENT ON COLUMN ledger.refunds.resolved_at IS 'When it was completed, failed or reversed (UTC); NULL while open.';
COMMENT ON COLUMN ledger.refunds.last_recorded_at IS 'When the ledger learnt of its newest fact (UTC).';
COMMENT ON COLUMN ledger.refunds.currency IS 'ISO 4217 code of the amount; NULL until known.';
COMMENT ON COLUMN ledger.refunds.source_refund_id IS 'The gateway''s id of the refund; NULL where it gave none.';
COMMENT ON COLUMN ledger.refunds.reason_code IS 'Why it failed, as the gateway says; NULL where there is no reason.';

CREATE VIEW ledger.disputes AS
SELECT
  order_id, dispute_id, track, stage, outcome, reason_code, arn, disputed_amount, held, lost,
  respond_by, currency, payment_id
FROM ledger_data.disputes;
COMMENT ON VIEW ledger.disputes IS
  'One row per dispute about a payment. Stage and money are separate facts. Amounts in major units, times in UTC.';
COMMENT ON COLUMN ledger.disputes.order_id IS 'Our id of the order (ULID).';
COMMENT ON COLUMN ledger.disputes.dispute_id IS 'Our id of the dispute (ULID).';
COMMENT ON COLUMN ledger.disputes.track IS 'Which procedure it follows; inquiries and fraud advice have tracks of their own.';
COMMENT ON COLUMN ledger.disputes.stage IS 'The furthest stage reached; NULL before the first.';
COMMENT ON COLUMN ledger.disputes.outcome IS 'How it ended; NULL while open.';
COMMENT ON COLUMN ledger.disputes.reason_code IS 'The scheme''s reason code, verbatim; NULL where none was given.';
COMMENT ON COLUMN ledger.disputes.arn IS 'Acquirer reference number; NULL where none was given.';
COMMENT ON COLUMN ledger.disputes.disputed_amount IS 'What is disputed, major units; NULL while unknown.';
COMMENT ON COLUMN ledger.disputes.held IS 'Withdrawn and neither returned nor finally lost, major units.';
COMMENT ON COLUMN ledger.disputes.lost IS 'Finally lost, major units.';
COMMENT ON COLUMN ledger.disputes.respond_by IS 'Until when the merchant may answer (UTC); NULL where no limit is known.';
COMMENT ON COLUMN ledger.disputes.currency IS 'ISO 4217 code of the amounts; NULL until known.';
COMMENT ON COLUMN ledger.disputes.payment_id IS 'Our id of the disputed payment (ULID); NULL where it is not known.';

CREATE VIEW ledger.dispute_timeline AS
SELECT
  dispute_id, seq, stage, amount, moved, occurred_at, recorded_at, order_id, currency, event_id
FROM ledger_data.dispute_timeline;
COMMENT ON VIEW ledger.dispute_timeline IS
  'One row per step of a dispute, counted from 1. Amounts in major units, times in UTC.';
COMMENT ON COLUMN ledger.dispute_timeline.dispute_id IS 'Our id of the dispute (ULID).';
COMMENT ON COLUMN ledger.dispute_timeline.seq IS 'Number of the step within the dispute, from 1.';
COMMENT ON COLUMN ledger.dispute_timeline.stage IS 'The stage that was reached, or what happened to the money.';
COMMENT ON COLUMN ledger.dispute_timeline.amount IS 'The amount that the step is about, major units; NULL where it has none.';
COMMENT ON COLUMN ledger.dispute_timeline.moved IS 'Money that moved, from the merchant''s side, major units: negative was taken, positive came back, 0 nothing moved.';
COMMENT ON COLUMN ledger.dispute_timeline.occurred_at IS 'When it happened (UTC).';
COMMENT ON COLUMN ledger.dispute_timeline.recorded_at IS 'When the ledger learnt of it (UTC).';
COMMENT ON COLUMN ledger.dispute_timeline.order_id IS 'Our id of the order (ULID).';
COMMENT ON COLUMN ledger.dispute_timeline.currency IS 'ISO 4217 code of the amounts; NULL until known.';
COMMENT ON COLUMN ledger.dispute_timeline.event_id IS 'Id of the event that tells it.';
