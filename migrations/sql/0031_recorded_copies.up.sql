-- A frozen copy is of a place in the log, or of what was recorded by a time, whatever stands between in the log.
ALTER TABLE ledger_control.rebuilds ADD COLUMN recorded_by timestamptz;
COMMENT ON COLUMN ledger_control.rebuilds.recorded_by IS 'By when an event of a frozen copy was recorded; null when all count up to the target.';
