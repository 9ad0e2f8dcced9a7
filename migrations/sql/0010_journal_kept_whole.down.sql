-- Parts of an entry may be deleted again; the chart is kept with the tables.
DROP TRIGGER journal_lines_go_whole ON ledger_data.journal_lines;
DROP FUNCTION ledger_data.refuse_parts();

-- The chart of accounts.
CREATE TABLE ledger_data.accounts (
  account text NOT NULL,
  code    text NOT NULL,
  name    text NOT NULL,
  type    text NOT NULL,
  CONSTRAINT accounts_pkey PRIMARY KEY (account),
  CONSTRAINT accounts_type_word CHECK (type IN ('asset', 'liability', 'income', 'expense', 'memo'))
);
INSERT INTO ledger_data.accounts (account, code, name, type) VALUES
  ('1010', '1010', 'Bank', 'asset'),
  ('1100', '1100', 'Gateway clearing', 'asset'),
  ('1110', '1110', 'External receipts clearing', 'asset'),
  ('1150', '1150', 'Disputed funds receivable', 'asset'),
  ('1160', '1160', 'Excess refunds and chargebacks recoverable', 'asset'),
  ('1200', '1200', 'Accounts receivable - orders', 'asset'),
  ('2100', '2100', 'Refunds payable', 'liability'),
  ('2200', '2200', 'Customer funds, overpayments, unapplied', 'liability'),
  ('2300', '2300', 'Payouts payable', 'liability'),
  ('2900', '2900', 'Order control', 'liability'),
  ('4000', '4000', 'Sales', 'income'),
  ('4090', '4090', 'Refunds and allowances', 'income'),
  ('5100', '5100', 'Chargeback losses', 'expense'),
  ('5200', '5200', 'Gateway fees', 'expense'),
  ('5210', '5210', 'Dispute fees', 'expense'),
  ('9100', '9100', 'Memo: authorised holds', 'memo'),
  ('9101', '9101', 'Memo: authorised holds, contra', 'memo'),
  ('9110', '9110', 'Memo: expected payments', 'memo'),
  ('9111', '9111', 'Memo: expected payments, contra', 'memo');
