-- Statements of gateways and banks, for reconciliation: what they say, line by line.

-- One row per statement that was imported as a whole.
CREATE TABLE ledger_data.statements (
  statement_id   text        NOT NULL,
  position       bigint      NOT NULL,
  event_id       uuid        NOT NULL,
  recorded_at    timestamptz NOT NULL,
  actor          text        NOT NULL,
  source         text        NOT NULL,
  source_account text        NOT NULL,
  side           text        NOT NULL,
  format         text        NOT NULL,
  file_name      text,
  file_sha256    text        NOT NULL,
  statement_ref  text,
  first_date     date,
  last_date      date,
  lines          integer     NOT NULL,
  currency       text,
  opening        numeric,
  closing        numeric,
  window_days    integer     NOT NULL,
  CONSTRAINT statements_pkey PRIMARY KEY (statement_id),
  CONSTRAINT statements_side_word CHECK (side IN ('gateway', 'bank')),
  CONSTRAINT statements_opening_valid CHECK (ledger_data.is_signed_amount(opening)),
  CONSTRAINT statements_closing_valid CHECK (ledger_data.is_signed_amount(closing)),
  CONSTRAINT statements_place_valid CHECK (position >= 0 AND lines >= 0)
);

-- Lines of statements. Those of a statement that is not complete have no row in statements.
CREATE TABLE ledger_data.statement_lines (
  statement_id   text    NOT NULL,
  line           integer NOT NULL,
  file_line      integer NOT NULL,
  kind           text    NOT NULL,
  reference      text,
  other_references text[] NOT NULL,
  settlement_ref text,
  value_date     date    NOT NULL,
  currency       text    NOT NULL,
  gross          numeric NOT NULL,
  fee            numeric,
  net            numeric,
  position       bigint  NOT NULL,
  CONSTRAINT statement_lines_pkey PRIMARY KEY (statement_id, line),
  CONSTRAINT statement_lines_kind_word
    CHECK (kind IN ('payment', 'refund', 'chargeback', 'chargeback_reversal', 'fee', 'payout')),
  CONSTRAINT statement_lines_gross_valid CHECK (ledger_data.is_balance(gross)),
  CONSTRAINT statement_lines_fee_valid CHECK (ledger_data.is_balance(fee)),
  CONSTRAINT statement_lines_net_valid CHECK (ledger_data.is_balance(net)),
  CONSTRAINT statement_lines_currency_code CHECK (currency ~ '^[A-Z]{3}$')
);
CREATE INDEX statement_lines_payout_idx ON ledger_data.statement_lines (settlement_ref) WHERE kind = 'payout';

-- Why lines belong to no order. What lines match, or differ from, stands in the history of the orders.
CREATE TABLE ledger_data.statement_results (
  position     bigint      NOT NULL,
  event_id     uuid        NOT NULL,
  statement_id text        NOT NULL,
  line         integer     NOT NULL,
  reason       text        NOT NULL,
  recorded_at  timestamptz NOT NULL,
  CONSTRAINT statement_results_pkey PRIMARY KEY (position)
);

-- Each time all lines of a statement were looked at, with what came of it.
CREATE TABLE ledger_data.statement_passes (
  position     bigint      NOT NULL,
  statement_id text        NOT NULL,
  pass         integer     NOT NULL,
  matched      integer     NOT NULL,
  mismatched   integer     NOT NULL,
  unmatched    integer     NOT NULL,
  recorded_at  timestamptz NOT NULL,
  CONSTRAINT statement_passes_pkey PRIMARY KEY (position)
);

CREATE INDEX order_history_settlement_idx ON ledger_data.order_history (position)
  WHERE event_type IN ('SettlementMatched', 'SettlementMismatchFlagged');
