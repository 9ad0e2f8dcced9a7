-- Makes the caller the only one who can move the checkpoint.
SELECT epoch, commit_position, prepare_position, clock_timestamp() FROM take_checkpoint()
