-- Rebuilds of the read models tell how far they are, so that they go on after a crash, and what was proven about them.
CREATE SCHEMA ledger_control;
COMMENT ON SCHEMA ledger_control IS
  'How far rebuilds of the order ledger''s read models are. Private: changes without notice.';

-- One row per set of tables that stands beside the live one: what is being built, what was live before a
-- swap, and frozen copies.
CREATE TABLE ledger_control.rebuilds (
  tables           text        NOT NULL,
  views            text,
  stage            text        NOT NULL,
  target_commit    bigint      NOT NULL,
  target_prepare   bigint      NOT NULL,
  fingerprint      jsonb       NOT NULL,
  key_statements   text[]      NOT NULL DEFAULT '{}',
  events           bigint,
  proof            jsonb,
  started_at       timestamptz NOT NULL DEFAULT clock_timestamp(),
  updated_at       timestamptz NOT NULL DEFAULT clock_timestamp(),
  CONSTRAINT rebuilds_pkey PRIMARY KEY (tables),
  CONSTRAINT rebuilds_stage_word CHECK (stage IN ('SPILLING', 'LOADING', 'INDEXING', 'BUILT', 'RETIRED', 'FROZEN')),
  CONSTRAINT rebuilds_target_valid CHECK (target_commit >= 0 AND target_prepare >= 0)
);

-- What is loaded, written in the transaction that loads it.
CREATE TABLE ledger_control.rebuild_units (
  tables text    NOT NULL,
  unit   integer NOT NULL,
  events bigint  NOT NULL,
  CONSTRAINT rebuild_units_pkey PRIMARY KEY (tables, unit),
  CONSTRAINT rebuild_units_of FOREIGN KEY (tables) REFERENCES ledger_control.rebuilds ON DELETE CASCADE ON UPDATE CASCADE
);
