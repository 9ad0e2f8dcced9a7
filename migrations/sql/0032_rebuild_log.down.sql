-- Takes back the trace of rebuilds.
DROP TABLE ledger_control.rebuild_log;
