package e2e_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/order-ledger/order-ledger/test/harness"
)

// blocks are the blocks of a language in a page of the documentation.
func blocks(t *testing.T, page, language string) []string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", page))
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, found := range regexp.MustCompile("(?s)```"+language+"\n(.*?)```").FindAllStringSubmatch(string(text), -1) {
		all = append(all, found[1])
	}
	if len(all) == 0 {
		t.Fatalf("%s has no %s", page, language)
	}
	return all
}

// TestAccounting_EveryCommandOfThePage types what docs/accounting.md tells an accountant to type, line by line, shell and SQL.
func TestAccounting_EveryCommandOfThePage(t *testing.T) {
	t.Parallel()
	s := harness.NewSite(t, harness.Options{})
	dir := t.TempDir()
	s.RunOK(t, "simulate", "--orders", "80", "--seed", "79", "--out", dir)
	s.Serve(t)
	for _, gateway := range gateways() {
		s.RunOK(t, "ingest", "--gateway", gateway, filepath.Join(dir, gateway+".ndjson"))
	}
	for _, name := range []string{"kim", "lee"} {
		token := s.RunOK(t, "token", "create", name, "--scopes", "operations").Stdout
		if err := os.WriteFile(filepath.Join(dir, name+".token"), []byte(token), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(harness.Binary(t), filepath.Join(dir, "ledger")); err != nil {
		t.Fatal(err)
	}
	order := s.Row(t, "select order_id from ledger.orders order by order_id limit 1")["order_id"].(string)
	ran := 0
	for _, block := range blocks(t, "accounting.md", "sh") {
		for line := range strings.Lines(block) {
			line = strings.TrimSpace(line)
			if line == "" {
				continue
			}
			line = strings.NewReplacer("ORDER", order, " --public-key KEY", "").Replace(line)
			c := s.Command("-c", `cd "$1" && PATH=$1:$PATH && eval "$2"`, "bash", dir, line)
			c.Program = "bash"
			if r := harness.Run(t, c); r.Code != 0 {
				t.Errorf("%s: exit code %d\n%s%s", line, r.Code, r.Stdout, r.Stderr)
			}
			ran++
		}
	}
	if ran < 20 {
		t.Errorf("the page has %d commands", ran)
	}
	for _, block := range blocks(t, "accounting.md", "sql") {
		for line := range strings.Lines(block) {
			s.Rows(t, strings.TrimSuffix(strings.TrimSpace(line), ";"))
		}
	}
}
