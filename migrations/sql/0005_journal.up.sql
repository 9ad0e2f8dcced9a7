-- The journal: what every event of every order posts, in double entry, and which months are closed.

-- One row per posting of an entry; an entry is what one event of an order posts. Rows are written once and
-- never changed: an order's rows go only to be written again the same when it is healed. amount is signed
-- from the debit side. account is the code in the chart without configuration.
CREATE TABLE ledger_data.journal_lines (
  order_id       text        NOT NULL,
  revision       bigint      NOT NULL,
  line           integer     NOT NULL,
  position       bigint      NOT NULL,
  event_id       uuid        NOT NULL,
  posting_date   date        NOT NULL,
  value_date     date        NOT NULL,
  recorded_at    timestamptz NOT NULL,
  account        text        NOT NULL,
  currency       text        NOT NULL,
  amount         numeric     NOT NULL,
  source         text        NOT NULL,
  source_account text        NOT NULL,
  CONSTRAINT journal_lines_pkey PRIMARY KEY (order_id, position, line),
  CONSTRAINT journal_lines_amount_valid CHECK (amount <> 0 AND ledger_data.is_signed_amount(amount)),
  CONSTRAINT journal_lines_currency_code CHECK (currency ~ '^[A-Z]{3}$'),
  CONSTRAINT journal_lines_posting_not_before_value CHECK (posting_date >= value_date),
  CONSTRAINT journal_lines_place_valid CHECK (revision >= 0 AND position >= 0 AND line >= 1)
);

-- An entry is written by one statement, so that it can be checked once per statement instead of once per
-- row: debits are credits, per entry and currency.
CREATE FUNCTION ledger_data.refuse_unbalanced() RETURNS trigger
  LANGUAGE plpgsql AS
$$
DECLARE
  out_of_balance record;
BEGIN
  SELECT w.order_id, w.revision, w.currency, sum(w.amount) AS difference INTO out_of_balance
    FROM written AS w GROUP BY w.order_id, w.revision, w.position, w.currency HAVING sum(w.amount) <> 0 LIMIT 1;
  IF FOUND THEN
    RAISE EXCEPTION 'the entry of order % at revision % is out of balance by % %', out_of_balance.order_id,
      out_of_balance.revision, out_of_balance.difference, out_of_balance.currency
      USING ERRCODE = 'check_violation', CONSTRAINT = 'journal_lines_balanced';
  END IF;
  RETURN NULL;
END
$$;
CREATE TRIGGER journal_lines_balanced AFTER INSERT ON ledger_data.journal_lines
  REFERENCING NEW TABLE AS written FOR EACH STATEMENT EXECUTE FUNCTION ledger_data.refuse_unbalanced();

CREATE FUNCTION ledger_data.refuse_change() RETURNS trigger
  LANGUAGE plpgsql AS
$$
BEGIN
  RAISE EXCEPTION 'lines of the journal are never changed' USING ERRCODE = 'check_violation';
END
$$;
CREATE TRIGGER journal_lines_unchanged BEFORE UPDATE ON ledger_data.journal_lines
  FOR EACH STATEMENT EXECUTE FUNCTION ledger_data.refuse_change();

-- Closing and opening again of months, one row per event.
CREATE TABLE ledger_data.period_changes (
  position             bigint      NOT NULL,
  event_id             uuid        NOT NULL,
  entity               text        NOT NULL,
  period               date        NOT NULL,
  closed               boolean     NOT NULL,
  recorded_at          timestamptz NOT NULL,
  actor                text        NOT NULL,
  approver             text,
  reason               text,
  trial_balance_sha256 text,
  up_to                bigint,
  CONSTRAINT period_changes_pkey PRIMARY KEY (position),
  CONSTRAINT period_changes_first_day CHECK (period = date_trunc('month', period)::date),
  CONSTRAINT period_changes_two_people CHECK (closed OR (approver IS NOT NULL AND approver <> actor))
);

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
