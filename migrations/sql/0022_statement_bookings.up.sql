-- Lines of statements that are booked without an order, lines that take others back, and amounts in a second currency.
ALTER TABLE ledger_data.statement_lines DROP CONSTRAINT statement_lines_kind_word;
ALTER TABLE ledger_data.statement_lines ADD CONSTRAINT statement_lines_kind_word CHECK (kind IN (
    'payment', 'payment_reversal', 'refund', 'refund_reversal', 'chargeback', 'chargeback_reversal', 'fee', 'fee_reversal',
    'disbursement', 'disbursement_reversal', 'payout', 'payout_reversal'));
-- What the gross came to in the currency of the account, where that is another one; fee and net are in it then.
ALTER TABLE ledger_data.statement_lines ADD COLUMN settled numeric;
ALTER TABLE ledger_data.statement_lines ADD COLUMN settled_currency text;
ALTER TABLE ledger_data.statement_lines ADD CONSTRAINT statement_lines_settled_valid CHECK (ledger_data.is_balance(settled));

-- One row per event: a line is booked, or what stood in suspense is released. The journal has what it posts.
CREATE TABLE ledger_data.statement_bookings (
  position     bigint      NOT NULL,
  event_id     uuid        NOT NULL,
  stream       text        NOT NULL,
  revision     bigint      NOT NULL,
  statement_id text        NOT NULL,
  line         integer     NOT NULL,
  booked_as    text        NOT NULL,
  released     boolean     NOT NULL,
  entity       text        NOT NULL,
  reason       text,
  recorded_at  timestamptz NOT NULL,
  actor        text        NOT NULL,
  CONSTRAINT statement_bookings_pkey PRIMARY KEY (position),
  CONSTRAINT statement_bookings_word CHECK (booked_as IN ('fee', 'payout', 'suspense'))
);
CREATE INDEX statement_bookings_line_idx ON ledger_data.statement_bookings (statement_id, line);
