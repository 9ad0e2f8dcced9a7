-- Removes the read models. They are rebuilt from the event log, so nothing is lost.

DROP SCHEMA ledger_data CASCADE;
