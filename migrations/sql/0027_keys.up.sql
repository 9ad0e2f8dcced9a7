-- The audit trail and the journal are keyed by the place in the log: shorter keys, cheaper to make, and the order's rows found by a plain index.
-- One event has one position, whatever streams a foreign writer puts an order's id into.
ALTER TABLE ledger_data.order_history DROP CONSTRAINT order_history_pkey;
DROP INDEX ledger_data.order_history_position_idx;
ALTER TABLE ledger_data.order_history ADD CONSTRAINT order_history_pkey PRIMARY KEY (position);
CREATE INDEX order_history_order_idx ON ledger_data.order_history (order_id);

ALTER TABLE ledger_data.journal_lines DROP CONSTRAINT journal_lines_pkey;
ALTER TABLE ledger_data.journal_lines ADD CONSTRAINT journal_lines_pkey PRIMARY KEY (position, line);
CREATE INDEX journal_lines_order_idx ON ledger_data.journal_lines (order_id);
