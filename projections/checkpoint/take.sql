-- Makes the caller the only one who can move the checkpoint; does not tell its event.
SELECT epoch, commit_position, prepare_position, clock_timestamp(), NULL::bigint, NULL::uuid FROM take_checkpoint()
