-- Forgets a parked order.
DELETE FROM ledger_data.parked_orders WHERE stream = $1
