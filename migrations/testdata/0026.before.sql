-- A rebuild that was begun by an earlier version stands there.
INSERT INTO ledger_control.rebuilds (tables, stage, target_commit, target_prepare, fingerprint)
VALUES ('ledger_data_next', 'LOADING', 10, 10, '{}');
