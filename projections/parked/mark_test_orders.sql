-- Marks test orders as parked. An order that never got a row gets one that says nothing else.
INSERT INTO test_orders (
  order_id, source, source_account, payment_state, refund_state, dispute_state, lifecycle, flags,
  first_recorded_at, last_recorded_at, revision, position, event_id)
SELECT
  r.order_id, '', '', 'UNPAID', 'NONE', 'NONE', 'OPEN', '{parked}',
  r.recorded_at, r.recorded_at, r.revision, r.position, r.event_id
FROM unnest($1::text[], $2::timestamptz[], $3::bigint[], $4::bigint[], $5::uuid[])
AS r (order_id, recorded_at, revision, position, event_id)
ON CONFLICT (order_id) DO UPDATE SET flags = (
  SELECT array_agg(DISTINCT f COLLATE "C" ORDER BY f COLLATE "C") FROM unnest(test_orders.flags || '{parked}'::text[]) AS f)
