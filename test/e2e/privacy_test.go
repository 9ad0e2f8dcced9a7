package e2e_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/order-ledger/order-ledger/test/harness"
)

// The card number is a well-known test number that passes the Luhn check.
const (
	cardNumber       = "4111111111111111"
	cardNumberSpaced = "4111 1111 1111 1111"
	cardNumberDashed = "4111-1111-1111-1111"
)

// TestCardNumbers_AreStoredNowhere sends card numbers in many members of each gateway's bodies. Money
// is counted where the order can be told, an operator sees it, and the digits are in no table of the
// database, in no file of the data directory and in no log.
func TestCardNumbers_AreStoredNowhere(t *testing.T) {
	t.Parallel()
	l := harness.Serve(t, harness.Options{Config: `
gateways:
  - {gateway: decta, account: closed, verify: {strategy: static_token, tokens: ["env:E2E_TOKEN"]}}
`, Env: []string{"E2E_TOKEN=secret-token-of-the-test"}})
	const paid = `"total":1.00,"status":"paid","currency":"EUR","paid":1795140012,"modified":1795140012`
	hook := func(id, members string) string {
		return `{"eventId":"ev-` + id + `","eventType":"payment.statusChange","eventTimestamp":"2026-11-20T10:05:59.895Z","data":{"orderId":"` + id +
			`","paymentId":"` + id + `-p",` + members + `,"status":"BOOKED"}}`
	}
	flagged := []struct{ gateway, body string }{
		{"decta", dectaWith("p-unknown", `"number":"P-1","card":"`+cardNumber+`",`+paid)},
		{"decta", dectaWith("p-note", `"number":"P-2","notes":"card `+cardNumberSpaced+` please",`+paid)},
		{"decta", dectaWith("p-number", `"number":"P-3","card":`+cardNumber+`,`+paid)},
		{"decta", dectaWith("p-masked", `"number":"P-4","transaction_details":{"card_masked_pan":"`+cardNumber+`","arn":"`+cardNumber+`"},`+paid)},
		{"decta", dectaWith("p-name", `"number":"P-5","`+cardNumber+`":1,`+paid)},
		{"decta", dectaWith("p-status", `"number":"P-6","total":1.00,"currency":"EUR","status":"`+cardNumber+`"`)},
		{"decta", dectaWith("p-errors", `"number":"P-7","transaction_details":{"method":"`+cardNumber+`","chargebacks_reason_code":"`+cardNumber+
			`","errors":[{"description":"`+cardNumberDashed+`"}]},`+paid)},
		{"decta", dectaWith("p-escaped", `"number":"P-8","notes":"\u0034111111111111111",`+paid)},
		{"everifin", hook("p-hookdata", `"externalId":"P-9","hookData":{"tenant":"`+cardNumber+`"}`)},
		{"connectpay", strings.Replace(connectpay("p-cp", "P-10", "Approved"), `"merchant"`,
			`"consumer":{"name":"`+cardNumberSpaced+`","email":"`+cardNumber+`@example.com"},"merchant"`, 1)},
	}
	quarantined := []struct{ gateway, body string }{
		{"decta", dectaPaid(cardNumber, "P-20")},
		{"decta", dectaPaid("p-reference", cardNumber)},
		{"decta", `{"card":"` + cardNumber + `"`},
		{"decta", `{"card":"` + cardNumber + `"}`},
		{"decta", dectaWith("p-currency", `"number":"P-21","total":1.00,"status":"paid","currency":"`+cardNumber+`"`)},
		{"everifin", hook("p-reference", `"externalId":"`+cardNumber+`"`)},
		{"connectpay", connectpay("p-cp2", cardNumberDashed, "Approved")},
	}
	for _, n := range append(flagged, quarantined...) {
		accept(t, l, n.gateway, n.body)
	}
	if answer := l.Post(t, "decta/closed", dectaPaid(cardNumber, cardNumber)); answer.Status != 401 {
		t.Errorf("answered %d, want 401", answer.Status)
	}
	l.WaitForViews(t)

	if n := len(l.Site.Rows(t, `select 1 as one from ledger.orders where 'pan_detected' = any(flags)`)); n != len(flagged) {
		t.Errorf("%d orders have the flag pan_detected, want %d", n, len(flagged))
	}
	if n := l.Site.Count(t, "ledger.quarantine"); n != len(quarantined)+1 {
		t.Errorf("%d notifications in quarantine, want %d", n, len(quarantined)+1)
	}

	logs := l.Stderr().String()
	l.Terminate(t)
	traces := map[string]string{"the log": logs, "the database": dumpDatabase(t, l.Site)}
	filesOf(t, l.Site.Dir, func(path string, content []byte) { traces[path] = string(content) })
	control := false // that what is looked through does hold what was sent
	for where, text := range traces {
		for _, digits := range []string{cardNumber, cardNumberSpaced, cardNumberDashed} {
			if strings.Contains(text, digits) {
				t.Errorf("%s holds the card number %s", where, digits)
			}
		}
		control = control || (strings.Contains(where, "events") && strings.Contains(text, "p-escaped"))
	}
	if !control {
		t.Error("no file of the event log holds an id that was sent: the search is blind")
	}
	if !strings.Contains(traces["the database"], "p-escaped") {
		t.Error("the dump of the database holds no id that was sent: the search is blind")
	}
}

// dumpDatabase is the text of every row of every table and view that is ours.
func dumpDatabase(t *testing.T, s *harness.Site) string {
	t.Helper()
	var dump strings.Builder
	relations := s.Rows(t, `select format('%I.%I', n.nspname, c.relname) as name from pg_class c join pg_namespace n on n.oid = c.relnamespace
		where c.relkind in ('r', 'v', 'm', 'p') and n.nspname like 'ledger%' order by 1`)
	if len(relations) < 20 {
		t.Errorf("only %d tables and views", len(relations))
	}
	for _, relation := range relations {
		for _, row := range s.Rows(t, `select r::text as text from `+relation.Text("name")+` r`) {
			dump.WriteString(row.Text("text"))
			dump.WriteByte('\n')
		}
	}
	return dump.String()
}

// filesOf visits the files of a directory, the log's tables as they are stored included.
func filesOf(t *testing.T, dir string, visit func(path string, content []byte)) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		visit(path, content)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
