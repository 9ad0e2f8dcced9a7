-- Takes back that a frozen copy is of a time.
ALTER TABLE ledger_control.rebuilds DROP COLUMN recorded_by;
