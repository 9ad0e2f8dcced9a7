-- The audit trail and the journal are keyed by order again.
DROP INDEX ledger_data.order_history_order_idx;
ALTER TABLE ledger_data.order_history DROP CONSTRAINT order_history_pkey;
ALTER TABLE ledger_data.order_history ADD CONSTRAINT order_history_pkey PRIMARY KEY (order_id, revision, position);
CREATE INDEX order_history_position_idx ON ledger_data.order_history (position);

DROP INDEX ledger_data.journal_lines_order_idx;
ALTER TABLE ledger_data.journal_lines DROP CONSTRAINT journal_lines_pkey;
ALTER TABLE ledger_data.journal_lines ADD CONSTRAINT journal_lines_pkey PRIMARY KEY (order_id, position, line);
