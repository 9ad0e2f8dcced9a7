-- What every account held for a time by its value dates, as known at the earlier moment and at the later one, and the difference.
SELECT currency, source, source_account, a.account, a.name,
  coalesce(sum(debit - credit) FILTER (WHERE recorded_at <= @known_from::timestamptz), 0) AS before,
  coalesce(sum(debit - credit) FILTER (WHERE recorded_at > @known_from::timestamptz), 0) AS changed,
  sum(debit - credit) AS after
FROM @lines AS l JOIN ledger.accounts AS a USING (base_account)
WHERE value_date BETWEEN coalesce(@from::date, '-infinity') AND coalesce(@through::date, 'infinity')
GROUP BY currency, source, source_account, a.account, a.name
HAVING bool_or(recorded_at > @known_from::timestamptz)
ORDER BY currency, source COLLATE "C", source_account COLLATE "C", a.account COLLATE "C"
