// Package settlement is the pure part of reconciliation: what a statement of a gateway or a bank says,
// line by line, and which of our own movements of money each line is about.
//
//	lines of a statement ──┐
//	                       ├──► Match ──► one Result per line
//	movements of an order ─┘
//
// # What holds
//
//   - One movement is matched once: by one line, or by several that add up to it exactly; a line may also
//     sum several movements up.
//   - The order of the lines, and of the movements, does not matter.
//   - A line decides nothing by amount and date alone: a reference names the order first. Currency, amount
//     and value date then have to agree.
package settlement
