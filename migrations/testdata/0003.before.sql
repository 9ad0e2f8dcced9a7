-- The checkpoint has moved, as after an upgrade.
UPDATE ledger_data.checkpoint SET epoch = 3, commit_position = 10, prepare_position = 10;
