-- Counts the orders of all categories.
SELECT (SELECT count(*) FROM orders) + (SELECT count(*) FROM test_orders) + (SELECT count(*) FROM payouts)
