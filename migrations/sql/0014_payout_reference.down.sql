-- Payout orders are found by our id and the gateway's.
DROP INDEX ledger_data.payouts_merchant_reference_idx;
