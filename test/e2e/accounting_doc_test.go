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
	statementsOfThePage(t, s, dir)
	order := s.Row(t, "select order_id from ledger.orders order by order_id limit 1")["order_id"].(string)
	ran := 0
	for _, block := range blocks(t, "accounting.md", "sh") {
		for line := range strings.Lines(block) {
			line = strings.TrimSpace(line)
			if line == "" {
				continue
			}
			if strings.HasPrefix(line, "ledger reconcile match ") { // the page names a statement of its own
				id := s.Row(t, "select statement_id from ledger.settlement_statements where side = 'gateway'").Text("statement_id")
				line = strings.Replace(line, "013bfeff6dfa30918c2667ec09881455", id, 1)
			}
			if strings.HasPrefix(line, "ledger reconcile release ") {
				left := s.Row(t, "select statement_id, line::text from ledger.settlement_lines where booked_as = 'suspense'")
				line = strings.Replace(line, "013bfeff6dfa30918c2667ec09881455 7", left.Text("statement_id")+" "+left.Text("line"), 1)
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

// statementsOfThePage writes what the page imports: a settlement report of the gateway with one sale, and what the bank says of its payout and of something else.
func statementsOfThePage(t *testing.T, s *harness.Site, dir string) {
	t.Helper()
	root, err := filepath.Abs(filepath.Join("..", ".."))
	if err == nil {
		err = os.Symlink(filepath.Join(root, "docs"), filepath.Join(dir, "docs"))
	}
	if err != nil {
		t.Fatal(err)
	}
	sale := s.Row(t, `select o.source_order_id, o.captured::text as captured, to_char(p.last_occurred_at, 'DD.MM.YYYY') as day
		from ledger.orders o join ledger.payments p using (order_id)
		where o.source = 'decta' and o.currency = 'EUR' and o.captured > 0 and o.captured = p.captured and o.reversed = 0 limit 1`)
	amount := strings.ReplaceAll(sale.Text("captured"), ".", ",")
	report := "Order ID;Order number;Payout;Type;Value date;Currency;Gross;Fee;Net\r\n" +
		sale.Text("source_order_id") + ";;PO-1;Sale;" + sale.Text("day") + ";EUR;" + amount + ";0,00;" + amount + "\r\n" +
		";;;Total;;EUR;" + amount + ";0,00;" + amount + "\r\n"
	bank := `<?xml version="1.0" encoding="UTF-8"?>
<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.08"><BkToCstmrStmt><Stmt><Id>S-1</Id><Acct><Id><IBAN>LT121000011101001000</IBAN></Id><Ccy>EUR</Ccy></Acct>
<Bal><Tp><CdOrPrtry><Cd>OPBD</Cd></CdOrPrtry></Tp><Amt Ccy="EUR">100.00</Amt><CdtDbtInd>CRDT</CdtDbtInd></Bal>
<Bal><Tp><CdOrPrtry><Cd>CLBD</Cd></CdOrPrtry></Tp><Amt Ccy="EUR">151.25</Amt><CdtDbtInd>CRDT</CdtDbtInd></Bal>
<Ntry><Amt Ccy="EUR">50.00</Amt><CdtDbtInd>CRDT</CdtDbtInd><Sts><Cd>BOOK</Cd></Sts><ValDt><Dt>2026-11-02</Dt></ValDt>
<NtryDtls><TxDtls><RmtInf><Ustrd>payout PO-1</Ustrd></RmtInf></TxDtls></NtryDtls></Ntry>
<Ntry><Amt Ccy="EUR">1.25</Amt><CdtDbtInd>CRDT</CdtDbtInd><Sts><Cd>BOOK</Cd></Sts><ValDt><Dt>2026-11-02</Dt></ValDt>
<NtryDtls><TxDtls><RmtInf><Ustrd>letter of 5 Nov</Ustrd></RmtInf></TxDtls></NtryDtls></Ntry></Stmt></BkToCstmrStmt></Document>`
	for name, text := range map[string]string{"decta-2026-10.csv": report, "bank-2026-10.xml": bank} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
