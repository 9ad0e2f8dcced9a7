package web_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/order-ledger/order-ledger/commands/gateways/fakegateway"
	"github.com/order-ledger/order-ledger/eventstore"
)

// TestAtLeast: of several positions the last counts, and an empty one is none, so that nobody reads old views unknowingly.
func TestAtLeast(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	id := s.issue("")
	now := s.head().String()
	const never = "C:999999999999/P:999999999999"
	for query, want := range map[string]int{
		"wait=25s&at_least=" + now: http.StatusOK, "wait=0s&at_least=" + never: http.StatusServiceUnavailable,
		"at_least=": http.StatusBadRequest, "at_least=" + now + "&at_least=": http.StatusBadRequest, "at_least=" + now + "&wait=": http.StatusBadRequest,
		"wait=0s&at_least=" + now + "&at_least=" + never: http.StatusServiceUnavailable,
		"wait=0s&at_least=" + never + "&at_least=" + now: http.StatusServiceUnavailable,
	} {
		if status, _, text := s.call(http.MethodGet, "/orders/"+id+"?"+query, ""); status != want {
			t.Errorf("%s: %d %s, want %d", query, status, text, want)
		}
	}
	for _, header := range []string{"", never} {
		if status, _, text := s.call(http.MethodGet, "/orders/"+id+"?wait=0s&at_least="+now, "", "Ledger-At-Least", header); status == http.StatusOK {
			t.Errorf("with the header %q: %d %s", header, status, text)
		}
	}
}

// TestOwnWrites_IncludeTheOutcome: the position that a write is answered with includes what became of it at the gateway,
// whether the gateway's webhooks come meanwhile, or not at all. What reads at least that position sees it. The ETag is that of
// the order by then, to act on it, unless somebody else told something in between.
func TestOwnWrites_IncludeTheOutcome(t *testing.T) {
	t.Parallel()
	for name, lost := range map[string]int{"with webhooks": 0, "without": 1000} {
		s := openShop(t)
		s.fake.LoseHooks(lost)
		revision := ""
		write := func(what string, want int, target, body string, headers ...string) (text string) {
			t.Helper()
			status, header, text := s.call(http.MethodPost, target, body, headers...)
			if status != want {
				t.Fatalf("%s, %s: %d %s", name, what, status, text)
			}
			at := header.Get("Ledger-Position")
			if head := s.head().String(); at != head {
				t.Errorf("%s, %s: answered position %s, the log ends at %s", name, what, at, head)
			}
			revision = strings.Trim(header.Get("ETag"), `"`)
			return text
		}
		read := func(what, id string) parts {
			t.Helper()
			var p parts
			var o struct {
				Order struct {
					Revision uint64 `json:"revision"`
				} `json:"order"`
			}
			status, _, text := s.call(http.MethodGet, "/orders/"+id+"?wait=25s&at_least="+s.head().String(), "")
			if err := errors.Join(json.Unmarshal([]byte(text), &o), json.Unmarshal([]byte(text), &p)); err != nil || status != http.StatusOK {
				t.Fatalf("%s, %s: %d %s", name, what, status, text)
			}
			if revision != "" && lost > 0 && strconv.FormatUint(o.Order.Revision, 10) != revision {
				t.Errorf("%s, %s: answered revision %s, the order is at %d", name, what, revision, o.Order.Revision)
			}
			return p
		}
		match := func() []string {
			if lost == 0 {
				return nil
			}
			return []string{"If-Match", `"` + revision + `"`}
		}
		var issued struct{ ID string }
		text := write("issue", http.StatusCreated, "/orders/", `{"products":[{"title":"Kettle","price":"50.00"}],"number":"`+name+`"}`)
		if err := json.Unmarshal([]byte(text), &issued); err != nil {
			t.Fatal(err)
		}
		source := read("issue", issued.ID).Order.Source
		if source == "" {
			t.Errorf("%s: the order is not shown to be at the gateway", name)
		}
		s.fake.LoseHooks(0)
		if err := s.fake.Pay(t.Context(), source); err != nil {
			t.Fatal(err)
		}
		s.fake.LoseHooks(lost)
		revision = ""
		read("pay", issued.ID)
		write("inquiry", http.StatusOK, "/orders/"+issued.ID+"/disputes", `{"stage":"retrieval"}`)
		write("refund", http.StatusOK, "/orders/"+issued.ID+"/refunds", `{"amount":"20.00"}`, append(match(), "Idempotency-Key", "once")...)
		if o := read("refund", issued.ID); len(o.Refunds) != 1 {
			t.Errorf("%s: %d refunds are shown", name, len(o.Refunds))
		}
		write("the same again", http.StatusOK, "/orders/"+issued.ID+"/refunds", `{"amount":"20.00"}`, "Idempotency-Key", "once")
		s.fake.FailNext("decta", fakegateway.Fault{Status: http.StatusBadRequest, Write: true})
		write("a refusal", http.StatusConflict, "/orders/"+issued.ID+"/refunds", `{"amount":"10.00"}`)
	}
}

// writeNothing are the operations with a method of writing that write nothing to the log, and why.
func writeNothing() map[string]string {
	return map[string]string{
		"audit": "it compares, and heals rows of the views", "retryParked": "it writes rows of the views", "rebuild": "it makes the views anew",
		"backup": "it copies the log", "backupKeys": "it copies keys", "scavenge": "it removes what is hidden", "webhookHistory": "it reads",
	}
}

// TestOwnWrites_NoOperationIsForgotten: every operation that the document describes and that writes answers with its position.
func TestOwnWrites_NoOperationIsForgotten(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	harmless, writes := writeNothing(), 0
	for _, o := range s.document.Operations() {
		switch _, ok := harmless[o.ID]; {
		case o.Method == http.MethodGet:
		case ok:
			delete(harmless, o.ID)
		case !o.TellsOnSuccess("Ledger-Position"):
			t.Errorf("%s, %s %s, does not tell where it wrote", o.ID, o.Method, o.Path)
		default:
			writes++
		}
	}
	if len(harmless) > 0 || writes < 25 {
		t.Errorf("%d operations write; there are no %v", writes, harmless)
	}

	// Those that do not act on orders; the others have one way to answer, see TestOwnWrites_IncludeTheOutcome.
	id := s.issue("")
	write := func(method, target, body string) (answer string) {
		t.Helper()
		status, header, text := s.call(method, target, body)
		if status != http.StatusOK {
			t.Fatalf("%s %s: %d %s", method, target, status, text)
		}
		at, err := eventstore.ParsePosition(header.Get("Ledger-Position"))
		if err != nil || at.Compare(s.head()) > 0 {
			t.Errorf("%s %s is at %q, the log ends at %s: %v", method, target, header.Get("Ledger-Position"), s.head(), err)
			return text
		}
		if written := s.since(at); written != "" {
			t.Errorf("%s %s is at %s, and wrote behind it: %s", method, target, at, written)
		}
		if status, _, text := s.call(http.MethodGet, "/orders/"+id+"?wait=25s&at_least="+at.String(), ""); status != http.StatusOK {
			t.Errorf("after %s %s: %d %s", method, target, status, text)
		}
		return text
	}
	write(http.MethodPost, "/webhooks/decta", `{"id":"p-1","status":"paid","number":"P-1","currency":"EUR","total":"5.00"}`)
	write(http.MethodPost, "/entities", `{"entity":"baltics","accounts":["decta/default"],"actor":"kim"}`)
	write(http.MethodPost, "/periods", `{"period":"2020-01","actor":"kim"}`)
	mapping, err := os.ReadFile("../../../docs/reconciliation/connectpay.yaml")
	if err != nil {
		t.Fatal(err)
	}
	statement, err := json.Marshal(map[string]any{"mapping": string(mapping), "account": "default", "actor": "kim", "content": []byte(
		"Payment id\tMerchant reference\tSettlement id\tOperation\tSettled at\tCurrency\tAmount\tCommission\n" +
			"cp-1\tP-1\tset-1\tPAYMENT\t02/11/2026 10:00:00\tEUR\t5.00\t0.10\n")})
	if err != nil {
		t.Fatal(err)
	}
	var imported struct {
		ID string `json:"statement_id"`
	}
	if err := json.Unmarshal([]byte(write(http.MethodPost, "/reconciliation/statements", string(statement))), &imported); err != nil {
		t.Fatal(err)
	}
	write(http.MethodPost, "/reconciliation/statements/"+imported.ID+"/match", `{"actor":"kim"}`)
	write(http.MethodPost, "/erase", `{"order":"`+id+`","actor":"kim"}`)
}
