package decta_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/order-ledger/order-ledger/commands"
	"github.com/order-ledger/order-ledger/commands/gateways/decta"
	"github.com/order-ledger/order-ledger/commands/gateways/gatewaytest"
	"github.com/order-ledger/order-ledger/domain/money"
	"github.com/order-ledger/order-ledger/domain/order"
)

const (
	orderID = "6f2c1d7e-0b1a-4f7e-9a51-3f6f0f1c2a10"
	// second is when the tests' statuses happen.
	second = 1795140012
)

func translate(body string) commands.Translation {
	return gatewaytest.Translate(decta.New(), body)
}

// facts translates a body that must belong to an order and be countable.
func facts(t *testing.T, body string) []order.Fact {
	t.Helper()
	return gatewaytest.Facts(t, decta.New(), body)
}

func wantFacts(t *testing.T, got, want []order.Fact) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("facts (-want +got):\n%s", diff)
	}
}

func unix(seconds int64) time.Time { return time.Unix(seconds, 0).UTC() }

func eur(text string) *money.Money {
	m := money.MustParse(text, "EUR")
	return &m
}

// statusKey is the key of a status of the tests' order.
func statusKey(status string, at any, n int) string {
	return fmt.Sprintf("decta:%s:status:%s:%v:%d", orderID, status, at, n)
}

// TestTranslate_Registration shows what a body tells about the order as a
// whole.
func TestTranslate_Registration(t *testing.T) {
	t.Parallel()
	got := translate(`{"type":"order","id":"o","number":" SO-417 ","merchant":"b0a7","status":"issued","currency":"EUR","total":96.56,
		"is_test":false,"issued":1795132800,"modified":1795132801,"due":1795219200,"deny_overdue_payment":true,
		"skip_capture":true,"max_payment_attempts":3}`)
	due, allow := unix(1795219200), false
	want := order.Registration{
		Kind: order.KindPayment, SourceOrderID: "o", MerchantReference: "SO-417", Currency: money.MustCurrency("EUR"),
		AmountDue: eur("96.56"), Version: order.Version{IssuedAt: unix(1795132800), ModifiedAt: unix(1795132801)},
		DueAt: &due, AllowOverdue: &allow, MaxAttempts: 3, TwoStep: true,
		OccurredAt: unix(1795132800), Basis: order.BasisSourceField,
	}
	if diff := cmp.Diff(want, got.Registration); diff != "" {
		t.Errorf("registration (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"SO-417"}, got.MerchantReferences); diff != "" || got.SourceOrderID != "o" || got.Status != "issued" {
		t.Errorf("references %q, order %q, status %q", got.MerchantReferences, got.SourceOrderID, got.Status)
	}
	t.Run("IssuedFromHistory", func(t *testing.T) {
		t.Parallel()
		reg := translate(`{"id":"o","status":"paid","status_changes":[{"new_status":"issued","on":1795132800},{"new_status":"paid","on":1795140012}]}`).Registration
		if !reg.OccurredAt.Equal(unix(1795132800)) || !reg.Version.IssuedAt.Equal(unix(1795132800)) {
			t.Errorf("order came to be at %s, version %+v", reg.OccurredAt, reg.Version)
		}
	})
}

// TestTranslate_TestOrders: a flag or a status marks an order as a test.
func TestTranslate_TestOrders(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]bool{
		`{"id":"o","status":"paid","is_test":true}`: true,
		`{"id":"o","status":"Test"}`:                true,
		`{"id":"o","status":"paid","status_changes":[{"new_status":"test"},{"new_status":"paid"}]}`: true,
		`{"id":"o","status":"paid","is_test":false}`:                                                false,
		`{"id":"o","status":"paid","is_test":null}`:                                                 false,
		`{"type":"payout","id":"o","status":"created","is_test":true}`:                              true,
	} {
		if got := translate(body).Registration.IsTest; got != want {
			t.Errorf("%s: is a test order: %v, want %v", body, got, want)
		}
	}
}
