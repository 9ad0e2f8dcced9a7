-- Money of customers that is applied to no order: overpayments and payments of closed orders, since when there is some.
WITH running AS (
  SELECT *, sum(credit - debit) OVER (PARTITION BY order_id ORDER BY position, line ROWS UNBOUNDED PRECEDING) AS balance
  FROM @lines AS l WHERE base_account = '2200'
), open AS (
  SELECT order_id, source, source_account, currency, sum(credit - debit) AS unapplied,
    min(value_date) FILTER (WHERE position > coalesce((SELECT max(z.position) FROM running AS z WHERE z.order_id = r.order_id AND z.balance = 0), -1)) AS since
  FROM running AS r GROUP BY order_id, source, source_account, currency HAVING sum(credit - debit) <> 0
)
SELECT order_id, source, source_account, currency, unapplied, since::text AS since, @today - since AS days
FROM open ORDER BY since, order_id
