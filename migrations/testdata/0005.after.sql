-- An entry balances per currency, its lines are never changed, and a period is opened again by two people.
INSERT INTO ledger_data.journal_lines (order_id, revision, line, position, event_id, posting_date, value_date, recorded_at, account,
  currency, amount, source, source_account)
VALUES ('j1', 3, 1, 40, '00000000-0000-5000-8000-000000000001', '2026-10-15', '2026-10-15', now(), '1100', 'EUR', 96.56, 'decta', 'default'),
       ('j1', 3, 2, 40, '00000000-0000-5000-8000-000000000001', '2026-10-15', '2026-10-15', now(), '1200', 'EUR', -96.56, 'decta', 'default');
INSERT INTO ledger_data.period_changes (position, event_id, entity, period, closed, recorded_at, actor)
VALUES (50, '00000000-0000-5000-8000-000000000002', 'default', '2026-10-01', true, now(), 'kim');
DO $$
BEGIN
  BEGIN
    INSERT INTO ledger_data.journal_lines (order_id, revision, line, position, event_id, posting_date, value_date, recorded_at, account,
      currency, amount, source, source_account)
    VALUES ('j1', 4, 1, 41, '00000000-0000-5000-8000-000000000003', '2026-10-15', '2026-10-15', now(), '1100', 'EUR', 1, 'decta', 'default'),
           ('j1', 4, 2, 41, '00000000-0000-5000-8000-000000000003', '2026-10-15', '2026-10-15', now(), '1200', 'USD', -1, 'decta', 'default');
    ASSERT false, 'an entry that does not balance was taken';
  EXCEPTION WHEN check_violation THEN NULL;
  END;
  BEGIN
    UPDATE ledger_data.journal_lines SET account = '1010' WHERE line = 1;
    ASSERT false, 'a line was changed';
  EXCEPTION WHEN check_violation THEN NULL;
  END;
  BEGIN
    INSERT INTO ledger_data.period_changes (position, event_id, entity, period, closed, recorded_at, actor, approver)
    VALUES (51, '00000000-0000-5000-8000-000000000004', 'default', '2026-10-01', false, now(), 'kim', 'kim');
    ASSERT false, 'one person opened a period again';
  EXCEPTION WHEN check_violation THEN NULL;
  END;
END
$$;
