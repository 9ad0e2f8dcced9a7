-- A sealed value shows as it stands in the log.
INSERT INTO ledger_data.order_history (order_id, revision, position, event_id, event_type, occurred_at, recorded_at, source, actor, data, metadata) VALUES
  ('o1', 0, 80, '00000000-0000-5000-8000-000000000031', 'CommandRecorded', now(), now(), 'manual', 'kim', '{"sealed":"sealed:1:AAAA","request":{"number":"N"}}', '{}'),
  ('o1', 1, 81, '00000000-0000-5000-8000-000000000032', 'PersonalDataErased', now(), now(), 'manual', 'kim', '{"receipt":"{}"}', '{}'),
  ('o2', 0, 82, '00000000-0000-5000-8000-000000000033', 'CommandRecorded', now(), now(), 'manual', 'kim', '{"sealed":"sealed:1:BBBB"}', '{}');
