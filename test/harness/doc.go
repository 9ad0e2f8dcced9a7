// Package harness runs the ledger's binary for whole-system tests: it builds it once per test
// process, starts and kills ledgers, and looks at what they answer and at what their views show.
//
// Nothing outlives the test process, whatever ends it: a watchdog sees its end and kills what was
// started. A test that fails prints the logs of its ledgers.
package harness
