-- Whoever writes without being the projector is noted, once a transaction; the checkpoint keeps the event it was shown.
DO $$
DECLARE
  at ledger_data.checkpoint;
BEGIN
  UPDATE ledger_data.orders SET flags = flags;
  DELETE FROM ledger_data.payments WHERE false;
  ASSERT (SELECT count(*) = 1 FROM ledger_data.outside_writes), 'a transaction of somebody else is noted once';
  DELETE FROM ledger_data.outside_writes;
  SET LOCAL ledger.projecting TO 'on';
  UPDATE ledger_data.orders SET flags = flags;
  ASSERT (SELECT count(*) = 0 FROM ledger_data.outside_writes), 'the projector is nobody else';
  ASSERT NOT EXISTS (SELECT FROM pg_class c WHERE c.relnamespace = 'ledger_data'::regnamespace AND c.relkind = 'r'
      AND c.relname NOT IN ('checkpoint', 'outside_writes')
      AND NOT EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = c.oid AND t.tgname = 'note_outside_write')), 'every table is watched';
  SELECT * INTO at FROM ledger_data.checkpoint;
  PERFORM ledger_data.move_checkpoint(at.epoch, at.commit_position, at.prepare_position, 100, 100, 99, '6f726465-722d-4c45-8447-65722d657631');
  PERFORM ledger_data.move_checkpoint(at.epoch, 100, 100, 101, 101);
  ASSERT (SELECT event_position = 99 AND event_id IS NOT NULL AND commit_position = 101 FROM ledger_data.checkpoint), 'the event stays';
  UPDATE ledger_data.checkpoint SET commit_position = at.commit_position, prepare_position = at.prepare_position, event_position = NULL, event_id = NULL;
END
$$;
