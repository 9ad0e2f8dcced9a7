-- A rebuild tells other processes how far it is, knows by which division into units its tables were loaded, and remembers how long each stage took.
ALTER TABLE ledger_control.rebuilds ADD COLUMN division text;
COMMENT ON COLUMN ledger_control.rebuilds.division IS 'How the log was divided into the units that rebuild_units counts.';

-- One row of whoever holds the lock of rebuilds, in the session backend, and of whoever held it last.
CREATE TABLE ledger_control.rebuild_at_work (
  one      boolean     NOT NULL DEFAULT true,
  backend  integer     NOT NULL,
  doing    text        NOT NULL,
  host     text        NOT NULL,
  pid      integer     NOT NULL,
  began_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  told_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
  progress jsonb,
  CONSTRAINT rebuild_at_work_pkey PRIMARY KEY (one),
  CONSTRAINT rebuild_at_work_one CHECK (one)
);

-- The last time that each stage took on this machine, for estimates.
CREATE TABLE ledger_control.rebuild_paces (
  stage   text             NOT NULL,
  events  bigint           NOT NULL,
  seconds double precision NOT NULL,
  CONSTRAINT rebuild_paces_pkey PRIMARY KEY (stage),
  CONSTRAINT rebuild_paces_positive CHECK (events > 0 AND seconds > 0)
);
