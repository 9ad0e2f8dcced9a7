package simulate_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/shopspring/decimal"

	"github.com/order-ledger/order-ledger/cmd/internal/simulate"
)

// collect runs a simulation into memory.
func collect(t testing.TB, opts simulate.Options) ([]simulate.Notification, []simulate.Expected) {
	t.Helper()
	var notifications []simulate.Notification
	var rows []simulate.Expected
	err := simulate.Run(opts, func(n simulate.Notification) error {
		notifications = append(notifications, n)
		return nil
	}, func(e simulate.Expected) error {
		rows = append(rows, e)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return notifications, rows
}

func digest(t testing.TB, opts simulate.Options) string {
	t.Helper()
	h := sha256.New()
	notifications, rows := collect(t, opts)
	for _, n := range notifications {
		h.Write([]byte(n.Gateway))
		h.Write(n.Body)
	}
	if err := json.NewEncoder(h).Encode(rows); err != nil {
		t.Fatal(err)
	}
	return hex.EncodeToString(h.Sum(nil))
}

func TestSameSeedSameBytes(t *testing.T) {
	t.Parallel()
	opts := simulate.Options{Orders: 2500, Seed: 11}
	first := digest(t, opts)
	if again := digest(t, opts); again != first {
		t.Errorf("the same options made other bytes: %s, then %s", first, again)
	}
	if other := digest(t, simulate.Options{Orders: 2500, Seed: 12}); other == first {
		t.Error("another seed made the same bytes")
	}
}

// TestFirstOrdersStay: a longer run begins with the orders of a shorter one.
func TestFirstOrdersStay(t *testing.T) {
	t.Parallel()
	_, short := collect(t, simulate.Options{Orders: 50, Seed: 3})
	_, long := collect(t, simulate.Options{Orders: 150, Seed: 3})
	rows := map[string]string{}
	for _, e := range long {
		rows[e.SourceOrderID] = encode(t, e)
	}
	for _, e := range short {
		if rows[e.SourceOrderID] != encode(t, e) {
			t.Errorf("order %s: %s in the longer run, want %s", e.SourceOrderID, rows[e.SourceOrderID], encode(t, e))
		}
	}
}

// TestSeedsShareNoReference: two runs fit into one ledger.
func TestSeedsShareNoReference(t *testing.T) {
	t.Parallel()
	seeds := map[string]uint64{}
	for _, seed := range []uint64{1, 2, 36, 37, 1 << 63} {
		_, rows := collect(t, simulate.Options{Orders: 300, Seed: seed})
		want := "SO-" + strconv.FormatUint(seed, 36) + "-"
		for _, e := range rows {
			if !strings.HasPrefix(e.MerchantReference, want) {
				t.Fatalf("seed %d: reference %s, want it to begin with %s", seed, e.MerchantReference, want)
			}
			if other, known := seeds[e.MerchantReference]; known {
				t.Fatalf("reference %s is of an order of seed %d and of one of seed %d", e.MerchantReference, other, seed)
			}
			seeds[e.MerchantReference] = seed
		}
	}
}

func encode(t testing.TB, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestEveryOrderHasOneRow(t *testing.T) {
	t.Parallel()
	const orders = 3000
	_, rows := collect(t, simulate.Options{Orders: orders, Seed: 5})
	if len(rows) != orders {
		t.Errorf("%d rows for %d orders", len(rows), orders)
	}
	ids := map[string]bool{}
	for _, e := range rows {
		if ids[e.Gateway+e.SourceOrderID] {
			t.Errorf("order %s %s has two rows", e.Gateway, e.SourceOrderID)
		}
		ids[e.Gateway+e.SourceOrderID] = true
	}
}

// TestIdentities checks each row as an accountant would.
func TestIdentities(t *testing.T) {
	t.Parallel()
	_, rows := collect(t, simulate.Options{Orders: 3000, Seed: 6})
	for _, e := range rows {
		if e.Figures == nil {
			continue
		}
		identities(t, &e)
		if t.Failed() {
			t.Fatalf("%s: %s", e.Scenario, encode(t, e))
		}
	}
}

func identities(t *testing.T, e *simulate.Expected) {
	t.Helper()
	f := e.Figures
	num := func(s string) decimal.Decimal {
		d, err := decimal.NewFromString(s)
		if err != nil {
			t.Errorf("amount %q: %v", s, err)
		}
		return d
	}
	captured, settled, external := num(f.Captured), num(f.Settled), num(f.ReceivedExternally)
	gross := captured.Add(external).Sub(num(f.Reversed))
	net := gross.Sub(num(f.Refunded)).Sub(num(f.DisputeHeld)).Sub(num(f.DisputeLost))
	if !num(f.GrossPaid).Equal(gross) || !num(f.Net).Equal(net) {
		t.Errorf("gross %s and net %s, want %s and %s", f.GrossPaid, f.Net, gross, net)
	}
	if settled.GreaterThan(captured) {
		t.Errorf("settled %s of captured %s", settled, captured)
	}
	for _, amount := range []string{
		f.Authorised, f.Expected, f.Captured, f.Settled, f.ReceivedExternally, f.Reversed,
		f.RefundPending, f.Refunded, f.DisputeHeld, f.DisputeLost, f.GrossPaid, f.Overpaid,
	} {
		if num(amount).IsNegative() {
			t.Errorf("amount %s is below zero", amount)
		}
		if digits := digitsOf(e); int(-num(amount).Exponent()) != digits {
			t.Errorf("amount %q of %v, want %d digits", amount, e.Currency, digits)
		}
	}
	if f.AmountDue == nil {
		return
	}
	due := num(*f.AmountDue)
	if paid := gross.GreaterThanOrEqual(due); paid != (f.PaymentState == "PAID") {
		t.Errorf("%s with %s of %s paid", f.PaymentState, gross, due)
	}
	if over := decimal.Max(decimal.Zero, gross.Sub(due)); !over.Equal(num(f.Overpaid)) {
		t.Errorf("overpaid %s, want %s", f.Overpaid, over)
	}
}

func digitsOf(e *simulate.Expected) int {
	switch {
	case e.Currency == nil || *e.Currency == "JPY":
		return 0
	case *e.Currency == "BHD":
		return 3
	}
	return 2
}

// documented are the statuses and reason codes of the gateways' documents, as they are spelt
// on the wire when normalised.
func documented() map[string]string {
	return map[string]string{
		simulate.Decta: `created test issued viewed in_progress failed hold overdue expired cancelled rejected received paid
			refund_initiated refunded refund_failed refund_reversed reversal_initiated reversed reversal_failed retrieval chargeback
			representation pre_arbitration arbitration pre_compliance compliance good_faith fraud_advice draft withdrawn`,
		simulate.Everifin: `CREATED SEEN PROCESSING CONFIRMED BOOKED WITHDRAWN FAILED EXPIRED PROCESSING_EXPIRED
			UNPAID PARTIALLY_PAID PAID
			CANCELED_BY_PAYER_AT_EVERIFIN BANK_NOT_FOUND MANUAL_TRANSFER_REQUESTED CANCELED_BY_PAYER_AT_BANK
			INSUFFICIENT_AMOUNT AML_BLOCKED REJECTED_BY_BANK OTHER`,
		simulate.ConnectPay: `Initiated PendingMerchant InProgress Processing PendingProvider Approved Settled Failed Abandoned
			PendingRefund PartialyRefunded Refunded`,
	}
}

// TestEveryStatusOccurs also makes sure that every body is JSON.
func TestEveryStatusOccurs(t *testing.T) {
	t.Parallel()
	notifications, _ := collect(t, simulate.Options{Orders: 3000, Seed: 7})
	seen := map[string]map[string]bool{simulate.Decta: {}, simulate.Everifin: {}, simulate.ConnectPay: {}}
	for _, n := range notifications {
		var body any
		if err := json.Unmarshal(n.Body, &body); err != nil {
			t.Fatalf("%s body %s: %v", n.Gateway, n.Body, err)
		}
		if strings.ContainsAny(string(n.Body), "\n\r") {
			t.Fatalf("%s body has more than one line: %s", n.Gateway, n.Body)
		}
		words(body, seen[n.Gateway])
	}
	for gateway, statuses := range documented() {
		for status := range strings.FieldsSeq(statuses) {
			if !seen[gateway][status] {
				t.Errorf("%s never says %s", gateway, status)
			}
		}
	}
}

// words collects the strings of members that hold statuses or reason codes.
func words(v any, into map[string]bool) {
	switch v := v.(type) {
	case map[string]any:
		for name, member := range v {
			if word, ok := member.(string); ok && (name == "status" || name == "new_status" || name == "code" || name == "reasonCode") {
				into[word] = true
			}
			words(member, into)
		}
	case []any:
		for _, element := range v {
			words(element, into)
		}
	}
}

// TestTimes: all that happens happens in the 50 days from October 1, 2026, but
// for what the clocks that are ahead say.
func TestTimes(t *testing.T) {
	t.Parallel()
	notifications, _ := collect(t, simulate.Options{Orders: 3000, Seed: 13})
	from := time.Date(2026, 10, 1, 0, 0, 0, 0, time.UTC)
	until := from.Add(50 * 24 * time.Hour)
	number := regexp.MustCompile(`"(?:on|modified|issued|paid|captured|viewed|settled)":(\d+)`)
	text := regexp.MustCompile(`"(?:eventTimestamp|createdAt|confirmedAt|finalizedAt)":"([^"]+)"`)
	all, ahead := 0, 0
	check := func(at time.Time) {
		all++
		if at.Year() == 2027 {
			ahead++
		} else if at.Before(from) || at.After(until) {
			t.Errorf("something happens at %s", at)
		}
	}
	for _, n := range notifications {
		for _, m := range number.FindAllSubmatch(n.Body, -1) {
			seconds, err := strconv.ParseInt(string(m[1]), 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			check(time.Unix(seconds, 0).UTC())
		}
		for _, m := range text.FindAllSubmatch(n.Body, -1) {
			at, err := time.Parse(time.RFC3339Nano, string(m[1]))
			if err != nil {
				t.Fatal(err)
			}
			check(at)
		}
	}
	if ahead == 0 || ahead > all/100 {
		t.Errorf("%d of %d times are ahead, want a few", ahead, all)
	}
}

// TestRedeliveries: some bodies come twice, byte for byte.
func TestRedeliveries(t *testing.T) {
	t.Parallel()
	notifications, _ := collect(t, simulate.Options{Orders: 3000, Seed: 8})
	seen, again := map[string]bool{}, 0
	for _, n := range notifications {
		if seen[string(n.Body)] {
			again++
		}
		seen[string(n.Body)] = true
	}
	if percent := 100 * again / len(notifications); percent < 5 || percent > 15 {
		t.Errorf("%d of %d bodies are redeliveries, want about 8 in 100", again, len(notifications))
	}
}
