-- Where the read models stand.
SELECT epoch, commit_position, prepare_position, updated_at, event_position, event_id FROM checkpoint
