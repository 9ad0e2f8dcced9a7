-- A delivery is of a subscriber, once per event, and in one of the known states; ids grow.
INSERT INTO ledger_push.subscribers (name, planned_commit, planned_prepare) VALUES ('shop', 0, 0);
INSERT INTO ledger_push.deliveries (subscriber, event_id, order_id, name, body, due_at, planned_at)
VALUES ('shop', '6f726465-722d-4c45-8447-65722d657631', 'O1', 'order.issued', '{}', now(), now());
DO $$
BEGIN
  BEGIN
    INSERT INTO ledger_push.deliveries (subscriber, event_id, order_id, name, body, due_at, planned_at)
    VALUES ('shop', '6f726465-722d-4c45-8447-65722d657631', 'O1', 'order.issued', '{}', now(), now());
    ASSERT false, 'an event was planned twice';
  EXCEPTION WHEN unique_violation THEN NULL;
  END;
  BEGIN
    UPDATE ledger_push.deliveries SET state = 'DEAD';
    ASSERT false, 'a dead delivery does not say since when';
  EXCEPTION WHEN check_violation THEN NULL;
  END;
  BEGIN
    DELETE FROM ledger_push.subscribers;
    ASSERT false, 'deliveries lost their subscriber';
  EXCEPTION WHEN foreign_key_violation THEN NULL;
  END;
  DELETE FROM ledger_push.deliveries;
  DELETE FROM ledger_push.subscribers;
END
$$;
