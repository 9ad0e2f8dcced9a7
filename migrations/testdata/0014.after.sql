-- They are found by the merchant's reference too.
DO $$ BEGIN ASSERT to_regclass('ledger_data.payouts_merchant_reference_idx') IS NOT NULL; END $$;
