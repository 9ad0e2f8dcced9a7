-- It is of no event that is known, and stays readable.
DO $$ BEGIN ASSERT (SELECT revision IS NULL AND position IS NULL AND event_id IS NULL FROM ledger_data.payments WHERE order_id = 'o20'); END $$;
UPDATE ledger_data.payments SET revision = 3, position = 77, event_id = '00000000-0000-5000-8000-000000000031' WHERE order_id = 'o20';
