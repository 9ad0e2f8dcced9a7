-- Outgoing webhooks are no longer kept: what was not delivered is lost.
DROP SCHEMA ledger_push CASCADE;
