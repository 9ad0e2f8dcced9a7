-- Payout orders are found by the merchant's reference too, as orders are.
CREATE INDEX payouts_merchant_reference_idx ON ledger_data.payouts (merchant_reference);
