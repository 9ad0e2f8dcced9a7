-- Lines are booked with orders only.
DROP TABLE ledger_data.statement_bookings;
DELETE FROM ledger_data.statement_lines WHERE kind NOT IN ('payment', 'refund', 'chargeback', 'chargeback_reversal', 'fee', 'payout');
ALTER TABLE ledger_data.statement_lines DROP CONSTRAINT statement_lines_kind_word;
ALTER TABLE ledger_data.statement_lines ADD CONSTRAINT statement_lines_kind_word
  CHECK (kind IN ('payment', 'refund', 'chargeback', 'chargeback_reversal', 'fee', 'payout'));
ALTER TABLE ledger_data.statement_lines DROP COLUMN settled, DROP COLUMN settled_currency;
