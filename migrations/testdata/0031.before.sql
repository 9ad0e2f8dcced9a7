-- A frozen copy of an earlier version stands there.
INSERT INTO ledger_control.rebuilds (tables, views, stage, target_commit, target_prepare, fingerprint)
VALUES ('ledger_data_frozen_month', 'month', 'FROZEN', 10, 10, '{}');
