-- Adds lines to the journal. A line that is there already is a bug: it fails the transaction.
COPY journal_lines (
  order_id, revision, line, position, event_id, posting_date, value_date, recorded_at, account, currency, amount,
  source, source_account, entity)
FROM STDIN (FORMAT binary)
