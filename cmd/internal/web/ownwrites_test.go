package web_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/order-ledger/order-ledger/commands/gateways/fakegateway"
)

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
		if o := read("issue", issued.ID); o.Order.Source == "" {
			t.Errorf("%s: the order is not shown to be at the gateway", name)
		}
		write("change", http.StatusOK, "/orders/"+issued.ID+"/amount", `{"amount":"60.00"}`, match()...)
		source := read("change", issued.ID).Order.Source
		s.fake.LoseHooks(0)
		if err := s.fake.Pay(t.Context(), source); err != nil {
			t.Fatal(err)
		}
		s.fake.LoseHooks(lost)
		revision = ""
		read("pay", issued.ID)
		write("refund", http.StatusOK, "/orders/"+issued.ID+"/refunds", `{"amount":"20.00"}`, "Idempotency-Key", "once")
		if o := read("refund", issued.ID); len(o.Refunds) != 1 {
			t.Errorf("%s: %d refunds are shown", name, len(o.Refunds))
		}
		write("the same again", http.StatusOK, "/orders/"+issued.ID+"/refunds", `{"amount":"20.00"}`, "Idempotency-Key", "once")
		s.fake.FailNext("decta", fakegateway.Fault{Status: http.StatusBadRequest, Write: true})
		write("a refusal", http.StatusConflict, "/orders/"+issued.ID+"/refunds", `{"amount":"10.00"}`)
	}
}
