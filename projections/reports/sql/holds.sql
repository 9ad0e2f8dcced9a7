-- Money that is blocked and not captured, and when the gateway lets it go (28 days unless an account says otherwise).
SELECT order_id, source, source_account, currency, sum(debit - credit) AS held, min(value_date)::text AS since,
  (max(value_date) FILTER (WHERE debit > 0) + 28)::text AS ends
FROM ledger.journal_lines
WHERE account = '9100' AND (@as_of::timestamptz IS NULL OR recorded_at <= @as_of) AND (@as_at::date IS NULL OR value_date <= @as_at)
GROUP BY order_id, source, source_account, currency HAVING sum(debit - credit) <> 0
ORDER BY ends, order_id
