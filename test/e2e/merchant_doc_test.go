package e2e_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/order-ledger/order-ledger/test/harness"
)

// TestReadme_MerchantsDay runs the README's day of a merchant as it stands there, against a ledger.
func TestReadme_MerchantsDay(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join("..", "..", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile("(?s)### A merchant's day\n+```sh\n(.*?)```").FindStringSubmatch(string(text))
	if found == nil {
		t.Fatal("the README has no day of a merchant")
	}
	l := harness.Serve(t, harness.Options{})
	dir := t.TempDir()
	if err := os.Symlink(harness.Binary(t), filepath.Join(dir, "ledger")); err != nil {
		t.Fatal(err)
	}
	day := strings.ReplaceAll(found[1], "localhost:8080", strings.TrimPrefix(l.URL, "http://"))
	c := l.Site.Command("-euc", "cd \"$1\"\n"+day+"\necho; echo \"ID $ID\"", "sh", dir)
	c.Program = "sh"
	r := harness.Run(t, c)
	if r.Code != 0 {
		t.Fatalf("exit code %d\n%s%s", r.Code, r.Stdout, r.Stderr)
	}
	for _, part := range []string{`"order":"fulfil"`, `"refund_state":"P`, `"outcome":"accepted"`, `"payment_state":"PAID"`} {
		if !strings.Contains(r.Stdout, part) {
			t.Errorf("the day does not say %s:\n%s", part, r.Stdout)
		}
	}
	l.WaitForViews(t)
	id := regexp.MustCompile(`ID ([0-9A-Z]{26})`).FindStringSubmatch(r.Stdout)
	if id == nil {
		t.Fatalf("no order was issued:\n%s", r.Stdout)
	}
	if row := l.Site.Row(t, "select merchant_reference, payment_state from ledger.orders where order_id = $1", id[1]); row["merchant_reference"] != "SO-42" || row["payment_state"] != "PAID" {
		t.Errorf("the order is %v", row)
	}
}
