package decta_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/order-ledger/order-ledger/commands"
	"github.com/order-ledger/order-ledger/commands/gateways/decta"
	"github.com/order-ledger/order-ledger/commands/gateways/gatewaytest"
	"github.com/order-ledger/order-ledger/domain/order"
)

var _ commands.Translator = (*decta.Translator)(nil)

func TestTranslate_Rejections(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		body string
		code order.Flag
		says string
	}{
		"Nothing":       {``, order.FlagMalformedBody, "JSON"},
		"Broken":        {`{"id":"o"`, order.FlagMalformedBody, "JSON"},
		"Text":          {`"paid"`, order.FlagMalformedBody, "want an Order object"},
		"Null":          {`null`, order.FlagMalformedBody, "want an Order object"},
		"Array":         {`[{"id":"o"}]`, order.FlagMalformedBody, "want an Order object"},
		"List":          {`{"results":[{"id":"o"}],"next":null}`, order.FlagMalformedBody, "each order is a body of its own"},
		"TwoIDs":        {`{"id":"o","id":"p"}`, order.FlagMalformedBody, ""},
		"IDIsObject":    {`{"id":{}}`, order.FlagMalformedBody, "id"},
		"IDIsFraction":  {`{"id":1.5}`, order.FlagMalformedBody, "id"},
		"IDTooLong":     {`{"id":"` + strings.Repeat("x", 256) + `"}`, order.FlagMalformedBody, "id"},
		"IDWithControl": {`{"id":"a\u0007b"}`, order.FlagMalformedBody, "id"},
		"NoID":          {`{"status":"paid","number":"SO-1"}`, order.FlagUnknownOrder, "no id"},
		"BlankID":       {`{"id":"  ","status":"paid"}`, order.FlagUnknownOrder, "no id"},
		"ErrorAnswer":   {`{"__all__":[{"message":"Order can not be refunded"}]}`, order.FlagUnknownOrder, "no id"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := translate(tc.body)
			if got.Rejection == nil || got.Rejection.Code != tc.code || !strings.Contains(got.Rejection.Detail, tc.says) {
				t.Fatalf("got %+v, want %s that says %q", got.Rejection, tc.code, tc.says)
			}
			if len(got.Facts) > 0 || got.Uncountable != nil || got.SourceOrderID != "" {
				t.Errorf("a rejected body means %+v", got)
			}
		})
	}
}

func TestTranslate_NumericID(t *testing.T) {
	t.Parallel()
	if got := translate(`{"id":417,"number":2026000417,"status":"issued"}`); got.SourceOrderID != "417" ||
		len(got.MerchantReferences) != 1 || got.MerchantReferences[0] != "2026000417" {
		t.Errorf("order %q, references %q", got.SourceOrderID, got.MerchantReferences)
	}
}

// TestTranslate_Payouts: the words of an order that sends money out.
func TestTranslate_Payouts(t *testing.T) {
	t.Parallel()
	const asked = "REQUESTED"
	for status, want := range map[string][]string{
		"created": {asked}, "in_progress": {asked, "PROCESSING"}, "paid": {asked, "PAID"}, "failed": {asked, "FAILED"},
		"cancelled": {asked, "CANCELLED"}, "expired": {asked, "CANCELLED"}, "reversed": {asked, "REVERSED"},
		"issued": {asked}, "refunded": {asked}, "chargeback": {asked},
	} {
		t.Run(status, func(t *testing.T) {
			t.Parallel()
			got := translate(`{"type":"payout","id":"p","status":"` + status + `","amount":250.00,"currency":"EUR","modified":1795140012}`)
			if got.Registration.Kind != order.KindPayout || got.Registration.AmountDue.Format() != "250.00 EUR" {
				t.Fatalf("registered as %+v", got.Registration)
			}
			var reported []string
			for _, f := range got.Facts {
				switch f := f.(type) {
				case order.PayoutReported:
					reported = append(reported, string(f.Status))
					if f.Amount.Format() != "250.00 EUR" {
						t.Errorf("%s %s", f.Status, f.Amount.Format())
					}
				case order.StatusObserved:
				default:
					t.Errorf("%T on a payout", f)
				}
			}
			if diff := cmp.Diff(want, reported); diff != "" {
				t.Errorf("reported (-want +got):\n%s", diff)
			}
		})
	}
	for body, want := range map[string]order.Kind{
		`{"id":"p","status":"created"}`: order.KindPayout,
		`{"id":"p","status":"paid","status_changes":[{"new_status":"Created","on":1},{"new_status":"paid","on":2}]}`: order.KindPayout,
		`{"type":"sdwo_payout","id":"p","status":"paid"}`:                                                            order.KindPayout,
		`{"type":"order","id":"p","status":"paid"}`:                                                                  order.KindPayment,
		`{"id":"p","status":"paid"}`:                                                                                 order.KindPayment,
	} {
		if got := translate(body).Registration.Kind; got != want {
			t.Errorf("%s is a %s, want %s", body, got, want)
		}
	}
	t.Run("AmountIsTotal", func(t *testing.T) {
		t.Parallel()
		got := gatewaytest.OfKind[order.PayoutReported](facts(t, `{"type":"payout","id":"p","status":"created","total":"12.50","currency":"EUR"}`))
		if len(got) != 1 || got[0].Amount.Format() != "12.50 EUR" {
			t.Errorf("got %+v", got)
		}
	})
}

func TestPartitionKey(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		`{"status":"paid","id":" o "}`: "o", `{"id":7}`: "7", `{"id":{}}`: "", `{`: "", `[]`: "",
	} {
		if got := decta.New().PartitionKey([]byte(body)); got != want {
			t.Errorf("%s: key %q, want %q", body, got, want)
		}
	}
}
