-- What was swapped in, and by whose approval, is to be seen for longer than until the next rebuild.
CREATE TABLE ledger_control.rebuild_log (
  id          bigint      GENERATED ALWAYS AS IDENTITY,
  at          timestamptz NOT NULL DEFAULT clock_timestamp(),
  doing       text        NOT NULL,
  tables      text        NOT NULL,
  asked_by    text        NOT NULL,
  host        text        NOT NULL,
  proof       text,
  differences jsonb,
  CONSTRAINT rebuild_log_pkey PRIMARY KEY (id),
  CONSTRAINT rebuild_log_doing CHECK (doing IN ('swap', 'rollback', 'drop', 'freeze'))
);
COMMENT ON TABLE ledger_control.rebuild_log IS 'What rebuilds did to tables that people read: proof is its digest, differences what was approved of it.';
