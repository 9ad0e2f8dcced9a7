-- Removes the configured chart.
DROP SCHEMA ledger_chart CASCADE;
