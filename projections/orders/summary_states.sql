-- How many live orders there are of each combination of states.
SELECT payment_state, refund_state, dispute_state, lifecycle, count(*)
FROM ledger.orders
GROUP BY payment_state, refund_state, dispute_state, lifecycle
ORDER BY payment_state, refund_state, dispute_state, lifecycle
