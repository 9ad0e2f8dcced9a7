-- Payout orders are found by our id and the gateway's.
DO $$ BEGIN ASSERT to_regclass('ledger_data.payouts_merchant_reference_idx') IS NULL; END $$;
