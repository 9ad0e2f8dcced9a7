-- A set of tables tells of which log it is, and whether anybody but the projector wrote to it.
ALTER TABLE ledger_data.checkpoint ADD COLUMN event_position bigint, ADD COLUMN event_id uuid;
COMMENT ON COLUMN ledger_data.checkpoint.event_position IS 'Position of the newest event at or before the checkpoint that was shown.';
COMMENT ON COLUMN ledger_data.checkpoint.event_id IS 'Its id: a log that has another event there is another log.';

DROP FUNCTION ledger_data.move_checkpoint(bigint, bigint, bigint, bigint, bigint);
CREATE FUNCTION ledger_data.move_checkpoint(
  own_epoch bigint, old_commit bigint, old_prepare bigint, new_commit bigint, new_prepare bigint,
  seen_position bigint DEFAULT NULL, seen_event uuid DEFAULT NULL)
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
     SET commit_position = new_commit, prepare_position = new_prepare, updated_at = clock_timestamp(),
         event_position = coalesce(seen_position, c.event_position), event_id = coalesce(seen_event, c.event_id)
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
COMMENT ON FUNCTION ledger_data.move_checkpoint(bigint, bigint, bigint, bigint, bigint, bigint, uuid) IS
  'Moves the checkpoint if it is exactly where the caller left it. Otherwise raises: LG001 = it is at the new position already (an earlier commit was not seen), LG002 = another runner took over (stop), LG003 = mismatch (a bug: stop loudly).';

-- One row for each transaction that wrote to one of the tables without being the projector's: a correction by hand, the
-- healing of an order. What was proven about the tables before it is not proven any more.
CREATE TABLE ledger_data.outside_writes (
  transaction_id bigint      NOT NULL DEFAULT txid_current(),
  role           text        NOT NULL DEFAULT session_user,
  table_name     text        NOT NULL,
  written_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
  CONSTRAINT outside_writes_pkey PRIMARY KEY (transaction_id)
);

CREATE FUNCTION ledger_data.note_outside_write() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path TO pg_catalog AS
$$
BEGIN
  INSERT INTO ledger_data.outside_writes (table_name) VALUES (TG_TABLE_NAME) ON CONFLICT DO NOTHING;
  RETURN NULL;
END
$$;

DO $$
DECLARE
  written text;
BEGIN
  FOR written IN SELECT c.relname FROM pg_class c WHERE c.relnamespace = 'ledger_data'::regnamespace AND c.relkind = 'r'
      AND c.relname NOT IN ('checkpoint', 'outside_writes') LOOP
    EXECUTE format('CREATE TRIGGER note_outside_write AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON ledger_data.%I
      FOR EACH STATEMENT WHEN (current_setting(''ledger.projecting'', true) IS DISTINCT FROM ''on'')
      EXECUTE FUNCTION ledger_data.note_outside_write()', written);
  END LOOP;
END
$$;
