-- Money that is blocked and not captured, and when the gateway lets it go: as it told, or else 28 days after the hold.
WITH open AS (
  SELECT order_id, source, source_account, currency, sum(debit - credit) AS held, min(value_date) AS since,
    max(value_date) FILTER (WHERE debit > 0) AS held_on
  FROM @lines AS l WHERE base_account = '9100'
  GROUP BY order_id, source, source_account, currency HAVING sum(debit - credit) <> 0
), ending AS (
  SELECT o.*, coalesce((
    SELECT max((data->>'expires_at')::timestamptz AT TIME ZONE 'UTC')::date FROM @history AS h
    WHERE h.order_id = o.order_id AND h.event_type = 'PaymentAuthorized'), held_on + 28) AS ends
  FROM open AS o
)
SELECT order_id, source, source_account, currency, held, since::text AS since, ends::text AS ends, ends - @today AS days_left
FROM ending ORDER BY ends, order_id
