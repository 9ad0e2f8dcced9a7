-- Every row says which event it is of: the newest one that it shows. Rows of an earlier version have none until the rebuild.
ALTER TABLE ledger_data.orders ADD COLUMN event_id uuid;
ALTER TABLE ledger_data.test_orders ADD COLUMN event_id uuid;
ALTER TABLE ledger_data.payouts ADD COLUMN event_id uuid;
ALTER TABLE ledger_data.payments ADD COLUMN revision bigint, ADD COLUMN position bigint, ADD COLUMN event_id uuid;
ALTER TABLE ledger_data.refunds ADD COLUMN revision bigint, ADD COLUMN position bigint, ADD COLUMN event_id uuid;
ALTER TABLE ledger_data.disputes ADD COLUMN revision bigint, ADD COLUMN position bigint, ADD COLUMN event_id uuid;
ALTER TABLE ledger_data.dispute_timeline ADD COLUMN revision bigint, ADD COLUMN position bigint;
