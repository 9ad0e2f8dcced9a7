-- They do.
DO $$ BEGIN
  ASSERT (SELECT revision = 3 AND position = 77 AND event_id = '00000000-0000-5000-8000-000000000031' FROM ledger.payments WHERE order_id = 'o20');
END $$;
DELETE FROM ledger_data.payments WHERE order_id = 'o20';
