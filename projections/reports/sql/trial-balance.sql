-- Opening balance, movements and closing balance of every account between two posting dates.
WITH summed AS (
  SELECT currency, source, source_account, base_account,
    coalesce(sum(debit - credit) FILTER (WHERE posting_date < @from::date), 0) AS opening,
    coalesce(sum(debit) FILTER (WHERE @from::date IS NULL OR posting_date >= @from), 0) AS debit,
    coalesce(sum(credit) FILTER (WHERE @from::date IS NULL OR posting_date >= @from), 0) AS credit
  FROM @lines AS l WHERE @through::date IS NULL OR posting_date <= @through
  GROUP BY 1, 2, 3, 4
)
SELECT currency, source, source_account, a.account, a.name, a.type, opening, debit, credit,
  (opening + debit - credit) AS closing, base_account
FROM summed JOIN ledger.accounts AS a USING (base_account)
WHERE @memo::boolean OR a.type <> 'memo'
ORDER BY currency, source COLLATE "C", source_account COLLATE "C", a.account COLLATE "C", base_account COLLATE "C"
