-- The trial balance sums to zero, and debit and credit are told apart.
DO $$
BEGIN
  ASSERT (SELECT sum(closing) = 0 AND count(*) = 2 FROM ledger.trial_balance WHERE period = '2026-10' AND currency = 'EUR'), 'trial balance';
  ASSERT (SELECT debit = 96.56 AND credit = 0 AND account = '1100' AND NOT late_posting FROM ledger.journal_lines WHERE line = 1), 'a debit';
  ASSERT (SELECT balance = -96.56 FROM ledger.account_balances WHERE account = '1200'), 'a balance';
  ASSERT (SELECT change = 'CLOSED' FROM ledger.periods WHERE period = '2026-10'), 'a period';
END
$$;
