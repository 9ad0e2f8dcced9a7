-- It shows as erased when its order was erased, and as it stands elsewhere; nothing else changes.
DO $$
BEGIN
  ASSERT (SELECT data = '{"sealed":"[erased]","request":{"number":"N"}}' FROM ledger.order_history WHERE order_id = 'o1' AND revision = 0), 'erased';
  ASSERT (SELECT data = '{"receipt":"{}"}' FROM ledger.order_history WHERE order_id = 'o1' AND revision = 1), 'another event';
  ASSERT (SELECT data ->> 'sealed' = 'sealed:1:BBBB' FROM ledger.order_history WHERE order_id = 'o2'), 'another order';
END
$$;
DELETE FROM ledger_data.order_history WHERE order_id IN ('o1', 'o2');
