-- Forgets what stands in the places of events, whatever order it says that it is of.
DELETE FROM order_history WHERE position = ANY ($1)
