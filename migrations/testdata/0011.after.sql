-- What there was is a head and configured; a delivery has a body, or a place to make it from; an anchor is whole.
DO $$
BEGIN
  ASSERT (SELECT head AND stream IS NULL FROM ledger_push.deliveries), 'a delivery was lost';
  ASSERT (SELECT configured AND NOT ordered AND anchor_digest IS NULL FROM ledger_push.subscribers), 'a subscriber was lost';
  BEGIN
    UPDATE ledger_push.deliveries SET body = NULL;
    ASSERT false, 'a body is gone that cannot be made again';
  EXCEPTION WHEN check_violation THEN NULL;
  END;
  UPDATE ledger_push.deliveries SET body = NULL, stream = 'order-1', revision = 0;
  BEGIN
    UPDATE ledger_push.subscribers SET anchor_stream = 'order-1';
    ASSERT false, 'half an anchor';
  EXCEPTION WHEN check_violation THEN NULL;
  END;
  DELETE FROM ledger_push.deliveries;
  DELETE FROM ledger_push.subscribers;
END
$$;
