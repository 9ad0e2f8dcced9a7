package e2e_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/order-ledger/order-ledger/test/harness"
)

// TestDemo_FiguresAgree runs the first command of the README with nothing prepared, as a newcomer
// does, twice: all figures equal what truly happened.
func TestDemo_FiguresAgree(t *testing.T) {
	t.Parallel()
	s := harness.NewSite(t, harness.Options{Private: true})
	r := s.RunOK(t, "demo", "--once", "--orders", "60", "--duration", "1s")
	for _, part := range []string{
		"every figure of all 60 orders equals what truly happened, to the cent", "select ", "A shop's day", "chargeback of the rest → contested → won",
	} {
		if !strings.Contains(r.Stderr, part) {
			t.Errorf("the demo does not say %q:\n%s", part, r.Stderr)
		}
	}
	for _, part := range []string{"PAID", "UNPAID", "EUR", "the shop's orders"} {
		if !strings.Contains(r.Stdout, part) {
			t.Errorf("the demo's tables lack %q:\n%s", part, r.Stdout)
		}
	}
	r = s.RunOK(t, "demo", "--once", "--orders", "60", "--duration", "1s", "--json")
	var result struct {
		Orders, Notifications int
		Differences           []string
		OrderAPI              []string `json:"order_api_orders"`
	}
	if err := json.Unmarshal([]byte(r.Stdout), &result); err != nil {
		t.Fatalf("demo --json: %v\n%s", err, r.Stdout)
	}
	if result.Orders != 60 || result.Notifications < 60 || len(result.Differences) != 0 || len(result.OrderAPI) < 3 {
		t.Errorf("demo --json: %+v", result)
	}
}

// TestDemo_StopsOnRequest serves on after the traffic, and ends on SIGTERM.
func TestDemo_StopsOnRequest(t *testing.T) {
	t.Parallel()
	s := harness.NewSite(t, harness.Options{})
	demo := harness.Launch(t, s.Command("demo", "--orders", "5", "--duration", "100ms"))
	demo.Stderr().WaitForLine(t, "Serving until Ctrl-C")
	if r := demo.Terminate(t); r.Code != 0 {
		t.Errorf("SIGTERM: exit code %d, want 0", r.Code)
	}
}
