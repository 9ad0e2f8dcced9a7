-- Removes the public views; the tables behind them stay.

DROP SCHEMA ledger CASCADE;
