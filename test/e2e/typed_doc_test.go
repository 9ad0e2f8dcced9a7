package e2e_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/order-ledger/order-ledger/test/harness"
)

// TestDocs_EveryCommand types what the README and the page about the views tell people to type while a ledger runs. The day of a merchant has a test of
// its own, and what needs a cluster is left out.
func TestDocs_EveryCommand(t *testing.T) {
	t.Parallel()
	s := harness.NewSite(t, harness.Options{})
	dir := t.TempDir()
	s.RunOK(t, "simulate", "--orders", "60", "--seed", "23", "--out", dir)
	l := s.Serve(t)
	for _, gateway := range gateways() {
		s.RunOK(t, "ingest", "--gateway", gateway, filepath.Join(dir, gateway+".ndjson"))
	}
	files := map[string]string{"decta.ndjson": "notification.json", "everifin.ndjson": "hooks.ndjson"}
	for from, to := range files {
		text, err := os.ReadFile(filepath.Join(dir, from))
		if err == nil && to == "notification.json" {
			first, _, _ := strings.Cut(string(text), "\n")
			text = []byte(first)
		}
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, to), text, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(harness.Binary(t), filepath.Join(dir, "ledger")); err != nil {
		t.Fatal(err)
	}
	order := s.Row(t, "select order_id, merchant_reference from ledger.orders where merchant_reference <> '' order by order_id limit 1")
	id, at := order.Text("order_id"), "C:900/P:900"
	typed := strings.NewReplacer( // the first that fits counts
		"localhost:8080", strings.TrimPrefix(l.URL, "http://"), "/backups/monday", filepath.Join(dir, "monday"), "curl -N ", "until_over curl -N --max-time 1 ",
		"show SO-2026-000417 --as-of 2026-10-31", "show "+id+" --as-of "+at, "SO-2026-000417", order.Text("merchant_reference"), " ORDER", " "+id,
		"show SO-1 --as-of 2026-10-31 --by", "show "+id+" --as-of 2026-10-31 --by", "show SO-1 --as-of 2026-10-31", "show "+id+" --as-of "+at, "SO-1", id, "C:1234/P:1234", at, "as_of=2026-10-31T12:00:00Z", "as_of="+at,
	)
	const prelude = `set -eu; cd "$1"; PATH=$1:$PATH
curl() { command curl -fsS "$@"; }
until_over() { "$@" || test $? = 28; } # a stream without end
set -v
`
	ran := 0
	for _, page := range []string{filepath.Join("..", "README.md"), filepath.Join("operations", "projections.md")} {
		for _, block := range blocks(t, page, "sh") {
			if strings.Contains(block, "go run") || strings.Contains(block, "TOKEN=") || strings.Contains(block, "LEDGER_EVENTSTORE=") || strings.Contains(block, "parked show") || strings.Contains(block, "psql") {
				continue // a test of its own, a cluster, an order that is parked, and a private PostgreSQL
			}
			lines := strings.Split(block, "\n")
			lines = slices.DeleteFunc(lines, func(line string) bool {
				return strings.HasPrefix(line, "go build") || strings.HasPrefix(line, "./ledger serve") || strings.Contains(line, "ledger rebuild") ||
					strings.Contains(line, "ledger keys backup") // have tests of their own
			})
			c := s.Command("-c", prelude+typed.Replace(strings.Join(lines, "\n")), "bash", dir)
			c.Program = "bash"
			if r := harness.Run(t, c); r.Code != 0 {
				t.Errorf("%s: exit code %d after\n%s", page, r.Code, r.Stderr)
			}
			ran += len(lines) - 1
		}
	}
	if ran < 26 {
		t.Errorf("%d commands were typed", ran)
	}
}
