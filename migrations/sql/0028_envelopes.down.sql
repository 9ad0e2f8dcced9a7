-- Envelopes have their names. Those that were kept without get them back.
UPDATE ledger_data.order_history SET metadata = ledger_data.envelope(metadata, source, actor)::text WHERE ascii(metadata) BETWEEN 58 AND 73;
DROP FUNCTION ledger_data.envelope(text, text, text);
