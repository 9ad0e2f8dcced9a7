-- Takes the views of the journal away; the tables behind them stay.
DROP VIEW ledger.journal_lines, ledger.accounts, ledger.account_balances, ledger.trial_balance, ledger.periods;
