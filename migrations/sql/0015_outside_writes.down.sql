-- Tables no longer tell of which log they are, nor who else wrote to them.
DO $$
DECLARE
  written text;
BEGIN
  FOR written IN SELECT c.relname FROM pg_class c WHERE c.relnamespace = 'ledger_data'::regnamespace AND c.relkind = 'r'
      AND c.relname NOT IN ('checkpoint', 'outside_writes') LOOP
    EXECUTE format('DROP TRIGGER IF EXISTS note_outside_write ON ledger_data.%I', written);
  END LOOP;
END
$$;
DROP FUNCTION ledger_data.note_outside_write();
DROP TABLE ledger_data.outside_writes;
DROP FUNCTION ledger_data.move_checkpoint(bigint, bigint, bigint, bigint, bigint, bigint, uuid);
CREATE FUNCTION ledger_data.move_checkpoint(
  own_epoch bigint, old_commit bigint, old_prepare bigint, new_commit bigint, new_prepare bigint)
  RETURNS void LANGUAGE plpgsql VOLATILE AS
$$
DECLARE
  held ledger_data.checkpoint;
BEGIN
  IF new_commit IS NULL OR new_prepare IS NULL
     OR (new_commit, new_prepare) <= (old_commit, old_prepare) THEN
    RAISE EXCEPTION 'the checkpoint does not move forwards: from C:%/P:% to C:%/P:%',
      old_commit, old_prepare, new_commit, new_prepare USING ERRCODE = 'LG003';
  END IF;
  UPDATE ledger_data.checkpoint c
     SET commit_position = new_commit, prepare_position = new_prepare, updated_at = clock_timestamp()
   WHERE c.epoch = own_epoch
     AND c.commit_position IS NOT DISTINCT FROM old_commit
     AND c.prepare_position IS NOT DISTINCT FROM old_prepare;
  IF FOUND THEN
    RETURN;
  END IF;
  SELECT * INTO held FROM ledger_data.checkpoint;
  IF held.epoch > own_epoch THEN
    RAISE EXCEPTION 'the checkpoint was taken over: epoch % is not %', held.epoch, own_epoch
      USING ERRCODE = 'LG002';
  ELSIF held.epoch = own_epoch
        AND held.commit_position = new_commit AND held.prepare_position = new_prepare THEN
    RAISE EXCEPTION 'the checkpoint is there already: C:%/P:%', new_commit, new_prepare
      USING ERRCODE = 'LG001';
  END IF;
  RAISE EXCEPTION 'the checkpoint is not where it was left: epoch %, C:%/P:%, not epoch %, C:%/P:%',
    held.epoch, held.commit_position, held.prepare_position, own_epoch, old_commit, old_prepare
    USING ERRCODE = 'LG003';
END
$$;
COMMENT ON FUNCTION ledger_data.move_checkpoint(bigint, bigint, bigint, bigint, bigint) IS
  'Moves the checkpoint if it is exactly where the caller left it. Otherwise raises: LG001 = it is at the new position already (an earlier commit was not seen), LG002 = another runner took over (stop), LG003 = mismatch (a bug: stop loudly).';
ALTER TABLE ledger_data.checkpoint DROP COLUMN event_position, DROP COLUMN event_id;
