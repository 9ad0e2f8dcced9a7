-- An envelope without names, which no earlier view can show.
DO $$ BEGIN ASSERT (SELECT metadata LIKE '=|C|B|L|%' FROM ledger_data.order_history WHERE position = 2801), 'it is kept as JSON'; END $$;
