-- What is not counted among the live orders.
SELECT
  (SELECT count(*) FROM ledger.test_orders), (SELECT count(*) FROM ledger.payouts),
  (SELECT count(*) FROM ledger.quarantine), (SELECT count(*) FROM ledger.parked_orders)
