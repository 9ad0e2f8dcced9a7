-- What customers owe, by the days since it fell due to be paid (value date of the order).
WITH open AS (
  SELECT order_id, source, source_account, currency, sum(debit - credit) AS owed,
    coalesce(@as_at::date, (@as_of::timestamptz AT TIME ZONE 'UTC')::date, (now() AT TIME ZONE 'UTC')::date) - min(value_date) AS days
  FROM ledger.journal_lines
  WHERE account = '1200' AND (@as_of::timestamptz IS NULL OR recorded_at <= @as_of) AND (@as_at::date IS NULL OR value_date <= @as_at)
  GROUP BY order_id, source, source_account, currency HAVING sum(debit - credit) <> 0
)
SELECT source, source_account, currency, count(*) AS orders,
  coalesce(sum(owed) FILTER (WHERE days <= 30), 0) AS to_30_days,
  coalesce(sum(owed) FILTER (WHERE days BETWEEN 31 AND 60), 0) AS to_60_days,
  coalesce(sum(owed) FILTER (WHERE days BETWEEN 61 AND 90), 0) AS to_90_days,
  coalesce(sum(owed) FILTER (WHERE days > 90), 0) AS older,
  sum(owed) AS owed
FROM open GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
