-- A row of an earlier version.
INSERT INTO ledger_data.payments (order_id, payment_id, status, last_occurred_at) VALUES ('o20', 'p20', 'CAPTURED', now());
