-- Payouts of gateways to the bank: what the gateway's statements say against what the bank's say, and what their lines make.
SELECT source, source_account, settlement_ref, currency, sum(paid_out) FILTER (WHERE side = 'gateway') AS by_gateway,
  sum(paid_out) FILTER (WHERE side = 'bank') AS by_bank, min(value_date)::text AS since, min(status) AS status, min(reason) AS reason,
  min(lines_net) AS lines_net, bool_or(lines_differ) AS lines_differ
FROM (SELECT DISTINCT source, source_account, side, settlement_ref, currency, value_date, paid_out, status, reason, lines_net, lines_differ, row_number() OVER (
    PARTITION BY statement_id, source, source_account, side, settlement_ref, currency, value_date, paid_out ORDER BY line) AS nth
  FROM @statement_lines AS l WHERE of_payout AND settlement_ref IS NOT NULL) AS p
GROUP BY 1, 2, 3, 4 ORDER BY since, 1, 2, 3, 4
