-- What became known about a time between two moments of knowledge, by which event, and where it was posted.
SELECT j.recorded_at::text AS recorded_at, j.entry_id, coalesce(h.event_type, b.event_type) AS event_type, coalesce(h.actor, b.actor) AS actor, j.source, j.source_account, j.account, j.currency, j.debit, j.credit,
  j.value_date::text AS value_date, j.posting_date::text AS posting_date, j.late_posting
FROM @lines AS j LEFT JOIN ledger.order_history AS h USING (order_id, revision, position)
  LEFT JOIN ledger.settlement_bookings AS b ON b.position = j.position
WHERE j.value_date BETWEEN coalesce(@from::date, '-infinity') AND coalesce(@through::date, 'infinity')
  AND j.recorded_at > @known_from::timestamptz
ORDER BY j.position, j.line
