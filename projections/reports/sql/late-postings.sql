-- What happened in a period that was closed when the ledger learnt it, by where it was posted.
SELECT posting_date::text AS posting_date, value_date::text AS value_date, recorded_at::text AS recorded_at, entry_id, source, source_account, account, currency,
  debit, credit
FROM @lines AS l
WHERE late_posting AND (@from::date IS NULL OR posting_date >= @from) AND (@through::date IS NULL OR posting_date <= @through)
ORDER BY position, line
