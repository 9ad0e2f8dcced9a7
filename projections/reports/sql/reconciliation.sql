-- Lines of statements against our books, summed up: how many match, differ, or are on one side alone.
SELECT source, source_account, side, kind, currency, status, count(*) AS lines, sum(gross) AS gross, coalesce(sum(fee), 0) AS fees
FROM @statement_lines AS l
GROUP BY 1, 2, 3, 4, 5, 6 ORDER BY 1, 2, 3, 4, 5, 6
