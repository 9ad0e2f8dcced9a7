-- Envelopes of events may be kept without the names of their members, and without what other columns hold: half of their bytes.
--
-- Such an envelope is its values in the order of the names, each behind a "|", none of which has one. It begins with the letter that tells
-- which of four members it has: ":" has none, ";" the first, "<" the second and so on to "I". No JSON begins with any of them.
-- The names are spelled out for each letter, because the function is expanded into the queries that read the audit trail.
DO $make$
DECLARE
  forms text := '';
BEGIN
  FOR has IN 0..15 LOOP
    forms := forms || format(E'\n    WHEN %s THEN %L::text[]', ascii(':') + has, array_remove(ARRAY[
      'schema', '$correlationId', CASE WHEN has & 1 > 0 THEN '$causationId' END, 'ledger_id', 'occurred_at', 'occurred_at_basis', 'received_at',
      'recorded_at', 'source_account', CASE WHEN has & 2 > 0 THEN 'source_event_id' END, CASE WHEN has & 4 > 0 THEN 'source_status' END,
      CASE WHEN has & 8 > 0 THEN 'translator' END, 'source', 'actor'], NULL));
  END LOOP;
  EXECUTE format($function$
CREATE FUNCTION ledger_data.envelope(metadata text, source text, actor text) RETURNS jsonb LANGUAGE sql IMMUTABLE PARALLEL SAFE AS %L
$function$, format($body$
  SELECT CASE WHEN ascii(metadata) BETWEEN 58 AND 73 THEN
    jsonb_object(CASE ascii(metadata)%s END,
      string_to_array(metadata || '|' || source || '|' || actor, '|')) || '{"schema": 1}'
  ELSE metadata::jsonb END
$body$, forms));
END
$make$;
