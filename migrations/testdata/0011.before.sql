-- A delivery of the version before stays.
INSERT INTO ledger_push.subscribers (name, planned_commit, planned_prepare) VALUES ('shop', 7, 7);
INSERT INTO ledger_push.deliveries (subscriber, event_id, order_id, name, body, due_at, planned_at)
VALUES ('shop', '6f726465-722d-4c45-8447-65722d657631', 'O1', 'order.issued', '{}', now(), now());
