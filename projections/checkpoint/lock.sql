-- Where the read models stand, and nobody moves it until the transaction ends.
SELECT epoch, commit_position, prepare_position, updated_at, event_position, event_id FROM checkpoint FOR UPDATE
