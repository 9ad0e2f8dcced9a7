package simulate_test

import "flag"

// How much TestLedgerAgrees compares; other seeds can be tried by hand.
var (
	orders = flag.Int("orders", 1500, "orders that the ledger is compared over")
	seed   = flag.Uint64("seed", 2026, "seed of the comparison")
)
