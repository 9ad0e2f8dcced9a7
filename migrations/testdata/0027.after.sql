-- They are there, found by the order, and no other event can have their places.
DO $$
BEGIN
  ASSERT (SELECT count(*) = 2 FROM ledger.order_history WHERE order_id = 'o27') AND (SELECT count(*) = 2 FROM ledger.journal_lines WHERE order_id = 'o27'), 'rows are lost';
  BEGIN
    INSERT INTO ledger_data.order_history SELECT 'another', 7, position, event_id, event_type, occurred_at, recorded_at, source, actor, data, metadata
      FROM ledger_data.order_history WHERE position = 2701;
    ASSERT false, 'a second event in one place was taken';
  EXCEPTION WHEN unique_violation THEN NULL;
  END;
  ASSERT to_regclass('ledger_data.order_history_order_idx') IS NOT NULL AND to_regclass('ledger_data.journal_lines_order_idx') IS NOT NULL, 'orders are not found';
END
$$;
