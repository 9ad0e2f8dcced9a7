-- Of these orders and bookings, those that have no row.
SELECT i.order_id
FROM unnest($1::text[]) AS i (order_id)
WHERE NOT EXISTS (SELECT FROM orders o WHERE o.order_id = i.order_id)
  AND NOT EXISTS (SELECT FROM test_orders t WHERE t.order_id = i.order_id)
  AND NOT EXISTS (SELECT FROM payouts p WHERE p.order_id = i.order_id)
  AND NOT (starts_with(i.order_id, 'settlement-') AND EXISTS (SELECT FROM journal_lines j WHERE j.order_id = i.order_id))
ORDER BY i.order_id
