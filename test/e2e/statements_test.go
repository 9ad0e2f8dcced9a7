package e2e_test

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/order-ledger/order-ledger/domain/money"
	"github.com/order-ledger/order-ledger/test/harness"
)

// expectedRow is a line of expected.ndjson, as far as a statement tells of it.
type expectedRow struct {
	Gateway           string
	SourceOrderID     string `json:"source_order_id"`
	MerchantReference string `json:"merchant_reference"`
	Currency          *string
	Captured          string
	Reversed          string
	Refunded          string
	Overpaid          string
}

// statementOf writes what a gateway would settle according to the truth of the simulation, in the form of the
// example mapping of docs/reconciliation, and returns the fees by currency.
type statementOf struct {
	t        *testing.T
	gateway  string
	day      time.Time
	rows     [][]string
	fees     map[string]money.Money
	payments int
	refunds  int
}

func (s *statementOf) add(kind string, e expectedRow, gross money.Money) {
	c := gross.Currency()
	fee := money.Zero(c)
	if kind == "payment" && s.gateway != "everifin" {
		units := gross.Amount().Shift(c.MinorUnits()).IntPart() * 19 / 1000 // 1.9 %, rounded down
		fee = money.MustParse(fmt.Sprint(units), c.Code())
		amount, err := money.New(fee.Amount().Shift(-c.MinorUnits()), c)
		if err != nil {
			s.t.Fatal(err)
		}
		fee = amount
	}
	if kind == "payment" {
		s.payments++
	} else {
		s.refunds++
	}
	sum, err := s.fees[c.Code()].Add(fee)
	if err != nil {
		s.t.Fatal(err)
	}
	s.fees[c.Code()] = sum
	comma := func(m money.Money) string { return strings.ReplaceAll(m.String(), ".", ",") }
	switch s.gateway {
	case "decta":
		word, signed, net := "Sale", gross, must(gross.Sub(fee))
		if kind == "refund" {
			word, signed, net = "Refund", gross.Neg(), gross.Neg()
		}
		s.rows = append(s.rows, []string{s.day.Format("02.01.2006"), word, e.SourceOrderID, e.MerchantReference, "PO-1-" + c.Code(), c.Code(), comma(signed), comma(fee), comma(net)})
	case "everifin":
		if kind == "refund" {
			gross = gross.Neg()
		}
		s.rows = append(s.rows, []string{fmt.Sprint("E", len(s.rows)), e.SourceOrderID, e.MerchantReference, s.day.Format(time.DateOnly), c.Code(), gross.String()})
	case "connectpay":
		s.rows = append(s.rows, []string{s.day.Format("02/01/2006 15:04:05"), strings.ToUpper(kind), e.SourceOrderID, e.MerchantReference, "S1", c.Code(), gross.String(), fee.String()})
	}
}

func must(m money.Money, err error) money.Money {
	if err != nil {
		panic(err)
	}
	return m
}

var statementHeaders = map[string][]string{
	"decta":      {"Value date", "Type", "Order ID", "Order number", "Payout", "Currency", "Gross", "Fee", "Net"},
	"everifin":   {"Entry", "End to end reference", "Remittance", "Value date", "Currency", "Amount"},
	"connectpay": {"Settled at", "Operation", "Payment id", "Merchant reference", "Settlement id", "Currency", "Amount", "Commission"},
}

func writeStatement(t *testing.T, file string, comma rune, header []string, rows [][]string) {
	t.Helper()
	out, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	w := csv.NewWriter(out)
	w.Comma = comma
	if err := w.WriteAll(append([][]string{header}, rows...)); err != nil {
		t.Fatal(err)
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
}

// mappingWith copies an example mapping with a window that holds the whole simulation.
func mappingWith(t *testing.T, dir, name string, replace ...string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("..", "..", "docs", "reconciliation", name))
	if err != nil {
		t.Fatal(err)
	}
	text := strings.NewReplacer(append(replace, "window_days: 14", "window_days: 400", "window_days: 7", "window_days: 400", "window_days: 5", "window_days: 400")...).Replace(string(content))
	file := filepath.Join(dir, name)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// TestStatements settles what a simulation did by statements that are made from its truth: all of it
// matches, fees are in the books, which balance; what is wrong in a statement is in the report, and importing
// twice changes nothing.
func TestStatements(t *testing.T) {
	t.Parallel()
	s := harness.NewSite(t, harness.Options{})
	dir := t.TempDir()
	s.RunOK(t, "simulate", "--orders", "240", "--seed", "61", "--out", dir)
	l := s.Serve(t)
	for _, gateway := range []string{"decta", "everifin", "connectpay"} {
		s.RunOK(t, "ingest", "--gateway", gateway, filepath.Join(dir, gateway+".ndjson"))
	}
	statements := map[string]*statementOf{}
	for _, gateway := range []string{"decta", "everifin", "connectpay"} {
		statements[gateway] = &statementOf{t: t, gateway: gateway, day: time.Now().UTC(), fees: map[string]money.Money{}}
	}
	truth, err := os.ReadFile(filepath.Join(dir, "expected.ndjson"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(truth)) {
		var e expectedRow
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatal(err)
		}
		statement := statements[e.Gateway]
		if statement == nil || e.Currency == nil {
			continue
		}
		if money.MustParse(e.Overpaid, *e.Currency).IsPositive() {
			e.SourceOrderID = "" // paid at two gateway orders, perhaps: the merchant's name stands for both
		}
		if paid := must(money.MustParse(e.Captured, *e.Currency).Sub(money.MustParse(e.Reversed, *e.Currency))); paid.IsPositive() {
			statement.add("payment", e, paid)
		}
		if refunded := money.MustParse(e.Refunded, *e.Currency); refunded.IsPositive() {
			statement.add("refund", e, refunded)
		}
	}
	decta := statements["decta"]
	if decta.payments < 20 || decta.refunds < 3 {
		t.Fatalf("only %d payments and %d refunds", decta.payments, decta.refunds)
	}
	file, mapping := filepath.Join(dir, "decta.csv"), mappingWith(t, dir, "decta.yaml", "totals: {column: Type, value: Total}", "")
	writeStatement(t, file, ';', statementHeaders["decta"], decta.rows)
	imported := s.RunOK(t, "reconcile", "import", file, "--mapping", mapping, "--actor", "kim")
	if want := fmt.Sprintf("lines %d, matched %d, mismatched 0, unmatched 0, payouts 0", len(decta.rows), len(decta.rows)); !strings.Contains(imported.Stdout, want) {
		t.Fatalf("imported %s, want %s\n%s", imported.Stdout, want, s.RunOK(t, "report", "reconciliation-differences").Stdout)
	}
	wantBooked(t, s, decta)
	everifin := statements["everifin"]
	bankFile, bankMapping := filepath.Join(dir, "everifin.csv"), mappingWith(t, dir, "everifin.yaml")
	writeStatement(t, bankFile, ',', statementHeaders["everifin"], everifin.rows)
	imported = s.RunOK(t, "reconcile", "import", bankFile, "--mapping", bankMapping, "--actor", "kim")
	if want := fmt.Sprintf("lines %d, matched %d, mismatched 0, unmatched 0, payouts 0", len(everifin.rows), len(everifin.rows)); everifin.refunds == 0 || !strings.Contains(imported.Stdout, want) {
		t.Errorf("imported %s, want %s\n%s", imported.Stdout, want, s.RunOK(t, "report", "reconciliation-differences").Stdout)
	}
	wantBooked(t, s, decta)

	// The same again, under another name and in another form, changes nothing.
	before := dump(t, s)
	renamed := filepath.Join(dir, "again.csv")
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(renamed, []byte(strings.ReplaceAll(string(content), "\n", "\r\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, again := range []string{file, renamed} {
		if r := s.RunOK(t, "reconcile", "import", again, "--mapping", mapping, "--actor", "lee"); !strings.Contains(r.Stderr, "nothing new") {
			t.Errorf("imported again: %s %s", r.Stdout, r.Stderr)
		}
	}
	wantSameViews(t, before, dump(t, s))

	// What is wrong in a statement is in the report.
	connectpay := statements["connectpay"]
	wrong := append([]string{}, connectpay.rows[0]...)
	wrong[6], wrong[7] = "1.23", "0.00"
	unknown := append([]string{}, connectpay.rows[1]...)
	unknown[2], unknown[3] = "nobody-knows-it", ""
	payout := []string{connectpay.day.Format("02/01/2006 15:04:05"), "SETTLEMENT", "", "", "S1", connectpay.rows[0][5], "400.00", ""}
	rows := append([][]string{wrong, unknown, payout}, connectpay.rows[2:]...)
	file, mapping = filepath.Join(dir, "connectpay.tsv"), mappingWith(t, dir, "connectpay.yaml")
	writeStatement(t, file, '\t', statementHeaders["connectpay"], rows)
	s.RunOK(t, "reconcile", "import", file, "--mapping", mapping, "--actor", "kim")
	differences := map[string]string{}
	for _, row := range s.Rows(t, `select reason, count(*) as n from ledger.settlement_lines where status <> 'MATCHED' group by 1`) {
		differences[row.Text("reason")] = row.Text("n")
	}
	if len(differences) != 3 || differences["amount_differs"] != "1" || differences["unknown_reference"] != "1" || differences["missing_at_bank"] != "1" {
		t.Errorf("differences: %v\n%s", differences, s.RunOK(t, "report", "reconciliation-differences").Stdout)
	}
	if n := s.Row(t, `select count(*) as n from ledger.orders where 'settlement_mismatch' = any(flags)`).Text("n"); n != "1" {
		t.Errorf("%v orders are flagged", n)
	}
	var report struct {
		Reports []struct {
			Report string
			Rows   [][]*string
		}
	}
	if err := json.Unmarshal([]byte(s.RunOK(t, "reconcile", "report", "--json", "--source", "connectpay").Stdout), &report); err != nil || len(report.Reports) != 5 {
		t.Fatalf("report: %v, %d parts", err, len(report.Reports))
	}
	for _, part := range report.Reports {
		if part.Report == "reconciliation-unsettled" && len(part.Rows) < 2 {
			t.Errorf("what no statement shows: %d rows", len(part.Rows)) // the wrong and the unknown one's order
		}
	}
	// Nothing of it was known before it was imported.
	if err := json.Unmarshal([]byte(s.RunOK(t, "reconcile", "report", "--json", "--as-of", "2026-01-01").Stdout), &report); err != nil {
		t.Fatal(err)
	}
	for _, part := range report.Reports {
		if part.Report != "reconciliation-gateway" && len(part.Rows) > 0 {
			t.Errorf("%s as of a time before everything: %d rows", part.Report, len(part.Rows))
		}
	}
	if a := l.Get(t, "/reconciliation"); a.Status != http.StatusOK || !strings.Contains(a.Body, "missing_at_bank") {
		t.Errorf("GET /reconciliation: %d %.200s", a.Status, a.Body)
	}

	wantReleasedByTwo(t, s)

	// The bank tells of the payout: it is no difference any more.
	camt := filepath.Join(dir, "bank.xml")
	if err := os.WriteFile(camt, []byte(bankStatement("S1", "400.00", connectpay.rows[0][5], connectpay.day)), 0o600); err != nil {
		t.Fatal(err)
	}
	bank := mappingWith(t, dir, "bank.yaml", "decta", "connectpay", "(PO-[0-9A-Z-]+)", "(S[0-9]+)")
	s.RunOK(t, "reconcile", "import", camt, "--mapping", bank, "--actor", "kim")
	if rows := s.Rows(t, `select status from ledger.settlement_payouts`); len(rows) != 1 || rows[0].Text("status") != "MATCHED" {
		t.Errorf("payouts: %v", rows)
	}
	if r := s.Run(t, "reconcile", "import", camt, "--mapping", mapping, "--gateway", "decta", "--actor", "kim"); r.Code == 0 {
		t.Error("a statement was imported for another gateway than its mapping's")
	}
	before = dump(t, s)
	s.RunOK(t, "rebuild")
	wantSameViews(t, before, dump(t, s))
	s.RunOK(t, "audit", "--all")
}

// TestStatements_KilledImportIsFinished kills the ledger while it imports a long statement: importing it again
// finishes it, and every payment is matched once.
func TestStatements_KilledImportIsFinished(t *testing.T) {
	t.Parallel()
	s := harness.NewSite(t, harness.Options{})
	dir := t.TempDir()
	s.RunOK(t, "simulate", "--orders", "60", "--seed", "62", "--out", dir)
	l := s.Serve(t)
	s.RunOK(t, "ingest", "--gateway", "decta", filepath.Join(dir, "decta.ndjson"))
	paid := s.Rows(t, `select o.source_order_id, p.captured - o.reversed as amount, p.currency from ledger.payments p join ledger.orders o using (order_id)
		where p.captured > o.reversed and o.captured = p.captured`)
	rows := make([][]string, 0, len(paid)+5_000)
	day := time.Now().UTC().Format("02/01/2006 15:04:05")
	for _, row := range paid {
		rows = append(rows, []string{day, "PAYMENT", row.Text("source_order_id"), "", "S1", row.Text("currency"), row.Text("amount"), "0"})
	}
	for i := range cap(rows) - len(rows) {
		rows = append(rows, []string{day, "PAYMENT", fmt.Sprintf("nobody-knows-%d", i), "", "S1", "EUR", "1.00", "0"})
	}
	file, mapping := filepath.Join(dir, "long.tsv"), mappingWith(t, dir, "connectpay.yaml", "gateway: connectpay", "gateway: decta")
	writeStatement(t, file, '\t', statementHeaders["connectpay"], rows)
	importing := harness.Launch(t, s.Command("reconcile", "import", file, "--mapping", mapping, "--actor", "kim"))
	harness.Eventually(t, "the import has begun", func() bool {
		return s.Row(t, `select count(*) as n from ledger_data.order_history where event_type = 'SettlementMatched'`).Text("n") != "0"
	})
	l.Kill(t)
	if r := importing.Wait(t); r.Code == 0 {
		t.Log("the import was faster than the kill")
	}
	s.Serve(t)
	again := s.RunOK(t, "reconcile", "import", file, "--mapping", mapping, "--actor", "kim")
	if want := fmt.Sprintf("lines %d, matched %d, mismatched 0, unmatched %d,", len(rows), len(paid), len(rows)-len(paid)); !strings.Contains(again.Stdout, want) {
		t.Errorf("imported again: %s, want %s", again.Stdout, want)
	}
	counts := s.Row(t, `select (select count(*) from ledger.settlement_statements where complete) as statements, (select count(*) from ledger.settlement_lines) as lines,
		(select count(*) from ledger.settlement_results where status = 'MATCHED') as matched, (select count(*) from ledger.settlement_results) as results`)
	if counts.Text("statements") != "1" || counts.Text("lines") != fmt.Sprint(len(rows)) || counts.Text("matched") != fmt.Sprint(len(paid)) || counts.Text("results") != fmt.Sprint(len(rows)) {
		t.Errorf("after the kill: %v, want %d lines and %d matches", counts, len(rows), len(paid))
	}
	s.RunOK(t, "audit", "--all")
}

// wantBooked checks that fees are in the books, the books balance, and that nothing is left at the gateway of
// orders without disputes.
func wantBooked(t *testing.T, s *harness.Site, statement *statementOf) {
	t.Helper()
	for currency, fees := range statement.fees {
		row := s.Row(t, `select coalesce(sum(debit - credit), 0)::text as fees from ledger.journal_lines where account = '5200' and currency = $1`, currency)
		if got := money.MustParse(row.Text("fees"), currency); !got.Equal(fees) {
			t.Errorf("fees in %s: %s, the statement has %s", currency, got, fees)
		}
	}
	if rows := s.Rows(t, `select currency from ledger.journal_lines group by 1 having sum(debit) <> sum(credit)`); len(rows) > 0 {
		t.Errorf("out of balance: %v", rows)
	}
	if rows := s.Rows(t, `select o.order_id, sum(j.debit - j.credit)::text as left from ledger.journal_lines j join ledger.orders o using (order_id)
		where o.order_id in (select order_id from ledger.settlement_results) and o.dispute_state = 'NONE' and j.account = '1100' group by 1 having sum(j.debit - j.credit) <> 0`); len(rows) > 0 {
		t.Errorf("%d orders have something left at the gateway: %v", len(rows), rows[0])
	}
}

func bankStatement(reference, amount, currency string, day time.Time) string {
	date := day.Format(time.DateOnly)
	return `<?xml version="1.0" encoding="UTF-8"?>
<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.08"><BkToCstmrStmt><GrpHdr><MsgId>M1</MsgId><CreDtTm>` + date + `T23:00:00</CreDtTm></GrpHdr>
<Stmt><Id>STMT-1</Id><Acct><Id><IBAN>LT121000011101001000</IBAN></Id><Ccy>` + currency + `</Ccy></Acct>
<Bal><Tp><CdOrPrtry><Cd>OPBD</Cd></CdOrPrtry></Tp><Amt Ccy="` + currency + `">100.00</Amt><CdtDbtInd>CRDT</CdtDbtInd><Dt><Dt>` + date + `</Dt></Dt></Bal>
<Bal><Tp><CdOrPrtry><Cd>CLBD</Cd></CdOrPrtry></Tp><Amt Ccy="` + currency + `">500.00</Amt><CdtDbtInd>CRDT</CdtDbtInd><Dt><Dt>` + date + `</Dt></Dt></Bal>
<Ntry><Amt Ccy="` + currency + `">` + amount + `</Amt><CdtDbtInd>CRDT</CdtDbtInd><Sts><Cd>BOOK</Cd></Sts><BookgDt><Dt>` + date + `</Dt></BookgDt><ValDt><Dt>` + date + `</Dt></ValDt>
<AcctSvcrRef>B1</AcctSvcrRef><NtryDtls><TxDtls><Refs><EndToEndId>NOTPROVIDED</EndToEndId></Refs><RmtInf><Ustrd>SETTLEMENT ` + reference + ` CONNECTPAY</Ustrd></RmtInf></TxDtls></NtryDtls></Ntry>
</Stmt></BkToCstmrStmt></Document>
`
}

// wantReleasedByTwo takes the line that nobody knows out of suspense: by two people, and not by one.
func wantReleasedByTwo(t *testing.T, s *harness.Site) {
	t.Helper()
	kim, lee := tokenFile(t, s, "kim", "operations"), tokenFile(t, s, "lee", "operations")
	line := s.Row(t, `select statement_id, line from ledger.settlement_lines where booked_as = 'suspense'`)
	release := func(approver, to string) []string {
		return []string{"reconcile", "release", line.Text("statement_id"), line.Text("line"), "--to", to, "--reason", "the bank's letter", "--token-file", kim, "--approver-token-file", approver}
	}
	for _, refused := range [][]string{release(kim, "5900"), release(tokenFile(t, s, "Kim", "operations"), "5900"), release(lee, "1200")} {
		if r := s.Run(t, refused...); r.Code == 0 {
			t.Errorf("%v: released", refused)
		}
	}
	s.RunOK(t, release(lee, "5900")...)
	if r := s.Run(t, release(lee, "5900")...); r.Code == 0 {
		t.Error("released twice")
	}
	left := s.Row(t, `select (select sum(debit - credit) from ledger.journal_lines where account = '9900') as suspense,
	  (select count(*) from ledger.journal_lines where account = '5900') as lines, (select count(*) from ledger.settlement_lines where booked_as = 'suspense') as open,
	  (select reason from ledger.settlement_bookings where released) as reason`)
	if left.Text("suspense") != "0.00" || left.Text("lines") != "1" || left.Text("open") != "0" ||
		!strings.HasPrefix(left.Text("reason"), "to 5900, approved by lee/") || !strings.HasSuffix(left.Text("reason"), ": the bank's letter") {
		t.Errorf("after the release: %v", left)
	}
}
