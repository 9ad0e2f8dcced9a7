-- Takes the journal away. It is rebuilt from the event log, so nothing is lost.
DROP TABLE ledger_data.journal_lines, ledger_data.period_changes, ledger_data.accounts;
DROP FUNCTION ledger_data.refuse_unbalanced();
DROP FUNCTION ledger_data.refuse_change();
