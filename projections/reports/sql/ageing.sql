-- What customers owe, by the days since it fell due: since the due date of the order, or since the debt arose where it has none.
WITH running AS (
  SELECT *, sum(debit - credit) OVER (PARTITION BY order_id ORDER BY position, line ROWS UNBOUNDED PRECEDING) AS owed
  FROM @lines AS l WHERE base_account = '1200'
), open AS (
  SELECT order_id, source, source_account, currency, sum(debit - credit) AS owed,
    min(value_date) FILTER (WHERE position > coalesce((SELECT max(z.position) FROM running AS z WHERE z.order_id = r.order_id AND z.owed = 0), -1)) AS arose
  FROM running AS r GROUP BY order_id, source, source_account, currency HAVING sum(debit - credit) <> 0
), due AS (
  SELECT o.*, @today - coalesce((
    SELECT ((data->>'due_at')::timestamptz AT TIME ZONE 'UTC')::date FROM @history AS h
    WHERE h.order_id = o.order_id AND data->>'due_at' IS NOT NULL ORDER BY revision DESC LIMIT 1), arose) AS days
  FROM open AS o
)
SELECT source, source_account, currency, count(*) AS orders,
  coalesce(sum(owed) FILTER (WHERE days < 0), 0) AS not_due,
  coalesce(sum(owed) FILTER (WHERE days BETWEEN 0 AND 30), 0) AS to_30_days,
  coalesce(sum(owed) FILTER (WHERE days BETWEEN 31 AND 60), 0) AS to_60_days,
  coalesce(sum(owed) FILTER (WHERE days BETWEEN 61 AND 90), 0) AS to_90_days,
  coalesce(sum(owed) FILTER (WHERE days > 90), 0) AS older,
  sum(owed) AS owed
FROM due GROUP BY 1, 2, 3 ORDER BY source COLLATE "C", source_account COLLATE "C", currency
