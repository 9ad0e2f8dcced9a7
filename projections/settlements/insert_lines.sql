-- Adds lines of a statement, each once.
INSERT INTO statement_lines (
  statement_id, position, line, file_line, kind, reference, other_references, settlement_ref, value_date, currency, gross, fee, net,
  settled, settled_currency)
SELECT
  $1, $2, r.line, r.file_line, r.kind, r.reference,
  ARRAY(SELECT o.value FROM json_array_elements_text(r.others::json) WITH ORDINALITY AS o (value, place) ORDER BY o.place),
  r.settlement_ref, r.value_date::date, r.currency, r.gross::numeric, r.fee::numeric, r.net::numeric, r.settled::numeric, r.settled_currency
FROM unnest(
  $3::integer[], $4::integer[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[], $10::text[], $11::text[],
  $12::text[], $13::text[], $14::text[], $15::text[])
AS r (line, file_line, kind, reference, others, settlement_ref, value_date, currency, gross, fee, net, settled, settled_currency)
ON CONFLICT DO NOTHING
