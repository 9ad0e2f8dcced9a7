package main

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/order-ledger/order-ledger/cmd/internal/app"
	"github.com/order-ledger/order-ledger/cmd/internal/config"
	"github.com/order-ledger/order-ledger/projections/detail"
)

// answering is a server that answers everything with a text, and a cli that takes it for its ledger.
func answering(t *testing.T, text string) (c *cli, url string) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprint(w, text) }))
	t.Cleanup(server.Close)
	var out bytes.Buffer
	c = newCLI(func(string) string { return "" }, stdio{out: &out, err: &out})
	c.settings = config.Settings{DataDir: t.TempDir(), EventStore: "esdb://127.0.0.1:1", HTTP: strings.TrimPrefix(server.URL, "http://")}
	if err := os.WriteFile(c.settings.TokenFile(), []byte("token"), 0o600); err != nil {
		t.Fatal(err)
	}
	return c, server.URL
}

// TestRebuildThrough_LedgerGone: a ledger that ends during a rebuild leaves a sentence that can be read.
func TestRebuildThrough_LedgerGone(t *testing.T) {
	t.Parallel()
	c, url := answering(t, `{"progress":{"stage":"LOADING"}}`+"\n")
	c.json = true
	_, err := c.rebuildThrough(t.Context(), url, app.RebuildRequest{}, c.newRebuildShow(t.Context()))
	if err == nil || err.Error() != "the running ledger went away; run the rebuild again, it goes on where it was" {
		t.Errorf("%v", err)
	}
}

// TestStatus_OtherProgramAtHTTP: what answers at --http is only believed to be a ledger when it tells what ledgers tell.
func TestStatus_OtherProgramAtHTTP(t *testing.T) {
	t.Parallel()
	for text, ledger := range map[string]bool{
		`{"status":"UP"}`: false,
		`{"status":"ready","log_position":"C:1/P:1","views_position":"C:1/P:1","projector":"leader"}`: true,
	} {
		c, _ := answering(t, text)
		var r statusReport
		c.askElsewhere(t.Context(), &r, true)
		if r.Running != ledger || (r.Health != nil) != ledger {
			t.Errorf("%s is taken for a ledger: %t", text, r.Running)
		}
	}
}

// TestChangeText_IsOneLine: a text of a gateway cannot add lines to what a command says.
func TestChangeText_IsOneLine(t *testing.T) {
	t.Parallel()
	const evil = "M-1\nthe views say the same, as of position 9"
	for _, change := range []detail.Change{{Field: "order.merchant_reference", After: evil}, {Field: "order.merchant_reference", Before: "M-0", After: evil}} {
		if text, ok := changeText(change); !ok || strings.Contains(text, "\n") || !strings.Contains(text, `M-1\n`) {
			t.Errorf("%q", text)
		}
	}
}
