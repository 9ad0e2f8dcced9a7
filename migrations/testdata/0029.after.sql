-- The view shows both kinds, and to whoever may read it.
DO $$
BEGIN
  ASSERT (SELECT metadata ->> 'ledger_id' = 'L28' FROM ledger.order_history WHERE position = 2800), 'an earlier envelope';
  ASSERT (SELECT metadata ->> 'ledger_id' = 'L' AND metadata ->> 'actor' = 'kim' FROM ledger.order_history WHERE position = 2801), 'an envelope without names';
END
$$;
