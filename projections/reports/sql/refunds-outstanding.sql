-- Refunds that were initiated and are not executed, per order.
SELECT order_id, source, source_account, currency, (sum(credit - debit)) AS outstanding,
  min(value_date)::text AS since, coalesce(@as_at::date, (@as_of::timestamptz AT TIME ZONE 'UTC')::date, (now() AT TIME ZONE 'UTC')::date) - min(value_date) AS days
FROM ledger.journal_lines
WHERE account = '2100' AND (@as_of::timestamptz IS NULL OR recorded_at <= @as_of) AND (@as_at::date IS NULL OR value_date <= @as_at)
GROUP BY order_id, source, source_account, currency HAVING sum(debit - credit) <> 0
ORDER BY since, order_id
