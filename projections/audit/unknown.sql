-- Of these orders and bookings, those that no table knows: next.sql yields the others.
SELECT i.order_id
FROM unnest($1::text[]) AS i (order_id)
WHERE NOT EXISTS (SELECT FROM orders o WHERE o.order_id = i.order_id)
  AND NOT EXISTS (SELECT FROM test_orders t WHERE t.order_id = i.order_id)
  AND NOT EXISTS (SELECT FROM payouts p WHERE p.order_id = i.order_id)
  AND NOT EXISTS (SELECT FROM payments p WHERE p.order_id = i.order_id)
  AND NOT EXISTS (SELECT FROM refunds r WHERE r.order_id = i.order_id)
  AND NOT EXISTS (SELECT FROM disputes d WHERE d.order_id = i.order_id)
  AND NOT EXISTS (SELECT FROM dispute_timeline d WHERE d.order_id = i.order_id)
  AND NOT EXISTS (SELECT FROM order_history h WHERE h.order_id = i.order_id)
  AND NOT EXISTS (SELECT FROM journal_lines j WHERE j.order_id = i.order_id)
  AND NOT EXISTS (SELECT FROM parked_orders p WHERE p.order_id = i.order_id)
ORDER BY i.order_id
