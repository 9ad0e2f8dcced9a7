-- Takes the views of reconciliation away; the tables behind them stay.
DROP VIEW ledger.settlement_lines, ledger.settlement_payouts, ledger.settlement_results, ledger.settlement_statements;
