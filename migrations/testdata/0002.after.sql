-- The row that was there before the views is seen through them, with what follows from it.
DO $$
BEGIN
  ASSERT (SELECT gross_paid = 100.00 AND net = 90.00 AND overpaid = 3.44 FROM ledger.orders WHERE order_id = '01ORDER'),
    'sums of an order';
  ASSERT (SELECT refundable = 90.00 AND currency = 'EUR' FROM ledger.refund_balances WHERE order_id = '01ORDER'),
    'what may still be refunded';
  ASSERT (SELECT position IS NULL FROM ledger.checkpoint), 'nothing was projected so far';
END
$$;
