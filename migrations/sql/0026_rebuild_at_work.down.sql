-- Takes back what rebuilds tell about their work.
DROP TABLE ledger_control.rebuild_paces;
DROP TABLE ledger_control.rebuild_at_work;
ALTER TABLE ledger_control.rebuilds DROP COLUMN division;
