-- The money of all live orders, by currency. Orders whose currency is not known have none.
SELECT
  currency, count(*), coalesce(sum(amount_due), 0)::text, sum(captured)::text, sum(gross_paid)::text,
  sum(refund_pending)::text, sum(refunded)::text, sum(dispute_held)::text, sum(dispute_lost)::text,
  sum(net)::text, sum(overpaid)::text
FROM ledger.orders
WHERE currency IS NOT NULL
GROUP BY currency
ORDER BY currency
