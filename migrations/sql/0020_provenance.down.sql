-- Rows do not say which event they are of.
ALTER TABLE ledger_data.orders DROP COLUMN event_id;
ALTER TABLE ledger_data.test_orders DROP COLUMN event_id;
ALTER TABLE ledger_data.payouts DROP COLUMN event_id;
ALTER TABLE ledger_data.payments DROP COLUMN revision, DROP COLUMN position, DROP COLUMN event_id;
ALTER TABLE ledger_data.refunds DROP COLUMN revision, DROP COLUMN position, DROP COLUMN event_id;
ALTER TABLE ledger_data.disputes DROP COLUMN revision, DROP COLUMN position, DROP COLUMN event_id;
ALTER TABLE ledger_data.dispute_timeline DROP COLUMN revision, DROP COLUMN position;
