// Package e2e_test tests the ledger as its users meet it: the built binary, HTTP, files, SQL.
package e2e_test
