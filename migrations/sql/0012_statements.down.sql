-- Takes statements away. They are rebuilt from the event log, so nothing is lost.
DROP TABLE ledger_data.statements, ledger_data.statement_lines, ledger_data.statement_results, ledger_data.statement_passes;
DROP INDEX ledger_data.order_history_settlement_idx;
