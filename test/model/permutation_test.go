package model_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/order-ledger/order-ledger/commands"
	"github.com/order-ledger/order-ledger/test/model"
)

// scenario is the life of one order on the wire, oldest body first, with the
// figures that it must end in whatever order the bodies arrive in (invariants
// I6, I7, I22).
type scenario struct {
	name, gateway, want string
	bodies              []string
}

// dectaBody is an Order object with what all of them carry.
func dectaBody(members string) string {
	return `{"type":"order","id":"6f2c1d7e","number":"SO-417","currency":"EUR","total":96.56,"issued":1795132800,"is_test":false,` + members + `}`
}

// history renders status_changes from "status@seconds" words.
func history(words string) string {
	var items []string
	for word := range strings.FieldsSeq(words) {
		status, on, _ := strings.Cut(word, "@")
		items = append(items, fmt.Sprintf(`{"new_status":%q,"on":1795%s}`, status, on))
	}
	return `"status_changes":[` + strings.Join(items, ",") + `]`
}

// tomorrow is a history that ends with a status of a time that has not come: the gateway's clock is wrong.
func tomorrow(words, status string) string {
	return strings.TrimSuffix(history(words), "]") + fmt.Sprintf(`,{"new_status":%q,"on":4102444800}]`, status)
}

func scenarios() []scenario {
	const paid = "issued@132800 in_progress@139990 paid@140012"
	const hold = "issued@132800 in_progress@139990 hold@140012"
	return []scenario{
		{name: "OneStep", gateway: "decta", want: "due=96.56 auth=0.00 exp=0.00 cap=96.56 set=0.00 ext=0.00 rev=0.00 rp=0.00 ref=0.00 dh=0.00 dl=0.00 gross=96.56 net=96.56 over=0.00 PAID/NONE/NONE/OPEN",
			bodies: []string{
				dectaBody(`"status":"issued","modified":1795132800,` + history("issued@132800")),
				dectaBody(`"status":"in_progress","modified":1795139990,` + history("issued@132800 in_progress@139990")),
				dectaBody(`"status":"paid","paid":1795140012,"modified":1795140012,` + history(paid)),
			}},
		{name: "PartialCapture", gateway: "decta", want: "due=96.56 auth=0.00 exp=0.00 cap=50.00 set=0.00 ext=0.00 rev=0.00 rp=0.00 ref=0.00 dh=0.00 dl=0.00 gross=50.00 net=50.00 over=0.00 PARTIALLY_PAID/NONE/NONE/OPEN",
			bodies: []string{
				dectaBody(`"status":"hold","skip_capture":true,"captured":null,"paid":null,"modified":1795140012,` + history(hold)),
				dectaBody(`"status":"paid","captured":1795226400,"paid":1795226400,"modified":1795226400,"transaction_details":{"amount_reversed":46.56}`),
				dectaBody(`"status":"paid","captured":1795226400,"paid":1795226400,"modified":1795226401,"transaction_details":{"amount_reversed":46.56},` + history(hold+" paid@226400")),
			}},
		{name: "PartialCaptureThenReversed", gateway: "decta", want: "due=96.56 auth=0.00 exp=0.00 cap=50.00 set=0.00 ext=0.00 rev=50.00 rp=0.00 ref=0.00 dh=0.00 dl=0.00 gross=0.00 net=0.00 over=0.00 UNPAID/NONE/NONE/OPEN",
			bodies: []string{
				dectaBody(`"status":"hold","modified":1795140012,` + history(hold)),
				dectaBody(`"status":"paid","captured":1795226400,"paid":1795226400,"modified":1795226400,"transaction_details":{"amount_reversed":46.56},` + history(hold+" paid@226400")),
				dectaBody(`"status":"reversed","captured":1795226400,"paid":1795226400,"modified":1795227400,"transaction_details":{"amount_reversed":96.56},` + history(hold+" paid@226400 reversed@227400")),
			}},
		{name: "HoldVoided", gateway: "decta", want: "due=96.56 auth=0.00 exp=0.00 cap=0.00 set=0.00 ext=0.00 rev=0.00 rp=0.00 ref=0.00 dh=0.00 dl=0.00 gross=0.00 net=0.00 over=0.00 UNPAID/NONE/NONE/CANCELLED",
			bodies: []string{
				dectaBody(`"status":"hold","modified":1795140012,` + history(hold)),
				dectaBody(`"status":"cancelled","modified":1795240012`),
				dectaBody(`"status":"cancelled","modified":1795240012,` + history(hold+" cancelled@240012")),
			}},
		{name: "HoldReversed", gateway: "decta", want: "due=96.56 auth=0.00 exp=0.00 cap=0.00 set=0.00 ext=0.00 rev=0.00 rp=0.00 ref=0.00 dh=0.00 dl=0.00 gross=0.00 net=0.00 over=0.00 UNPAID/NONE/NONE/OPEN",
			bodies: []string{
				dectaBody(`"status":"hold","modified":1795140012`),
				dectaBody(`"status":"reversal_initiated","modified":1795150012`),
				dectaBody(`"status":"reversed","modified":1795160012,"transaction_details":{"amount_reversed":96.56}`),
			}},
		{name: "ThreeRefunds", gateway: "decta", want: "due=96.56 auth=0.00 exp=0.00 cap=96.56 set=0.00 ext=0.00 rev=0.00 rp=7.00 ref=25.00 dh=0.00 dl=0.00 gross=96.56 net=71.56 over=0.00 PAID/PENDING/NONE/OPEN",
			bodies: []string{
				dectaBody(`"status":"paid","paid":1795140012,"modified":1795140012,` + history(paid)),
				dectaBody(`"status":"refund_initiated","modified":1795226390,"amount_refund_initial":10.00,"amount_refunded":0.00,` + history(paid+" refund_initiated@226390")),
				dectaBody(`"status":"refunded","modified":1795226400,"amount_refund_initial":10.00,"amount_refunded":10.00,` + history(paid+" refund_initiated@226390 refunded@226400")),
				dectaBody(`"status":"refunded","modified":1795226500,"amount_refunded":25.00`),
				dectaBody(`"status":"refund_failed","modified":1795226600,"amount_refunded":25.00`),
				dectaBody(`"status":"refund_initiated","modified":1795226700,"amount_refund_initial":7.00,"amount_refunded":25.00`),
			}},
		{name: "RefundReversed", gateway: "decta", want: "due=96.56 auth=0.00 exp=0.00 cap=96.56 set=0.00 ext=0.00 rev=0.00 rp=0.00 ref=0.00 dh=0.00 dl=0.00 gross=96.56 net=96.56 over=0.00 PAID/NONE/NONE/OPEN",
			bodies: []string{
				dectaBody(`"status":"paid","paid":1795140012,"modified":1795140012,` + history(paid)),
				dectaBody(`"status":"refunded","modified":1795226400,"amount_refunded":10.00,` + history(paid+" refunded@226400")),
				dectaBody(`"status":"refund_reversed","modified":1795236400,"amount_refunded":10.00,"amount_refund_reversal":10.00,` + history(paid+" refunded@226400 refund_reversed@236400")),
			}},
		{name: "ChargebackRepresented", gateway: "decta", want: "due=96.56 auth=0.00 exp=0.00 cap=96.56 set=0.00 ext=0.00 rev=0.00 rp=0.00 ref=10.00 dh=0.00 dl=0.00 gross=96.56 net=86.56 over=0.00 PAID/PARTIAL/OPEN/OPEN",
			bodies: []string{
				dectaBody(`"status":"paid","paid":1795140012,"modified":1795140012,` + history(paid)),
				dectaBody(`"status":"refunded","modified":1795226400,"amount_refunded":10.00,` + history(paid+" refunded@226400")),
				dectaBody(`"status":"chargeback","modified":1797000000,"amount_refunded":10.00,"transaction_details":{"chargebacks":86.56,"chargebacks_reversed":0.0,"chargebacks_reason_code":10.4},` + history(paid+" refunded@226400 retrieval@400000 chargeback@500000")),
				dectaBody(`"status":"representation","modified":1797100000,"amount_refunded":10.00,"transaction_details":{"chargebacks":86.56,"chargebacks_reversed":86.56,"chargebacks_reason_code":10.4},` + history(paid+" refunded@226400 retrieval@400000 chargeback@500000 representation@600000")),
			}},
		{name: "ChargebackLearnt", gateway: "decta", want: "due=96.56 auth=0.00 exp=0.00 cap=96.56 set=0.00 ext=0.00 rev=0.00 rp=0.00 ref=0.00 dh=70.00 dl=0.00 gross=96.56 net=26.56 over=0.00 PAID/NONE/OPEN/OPEN",
			bodies: []string{
				dectaBody(`"status":"paid","paid":1795140012,"modified":1795140012,` + history(paid)),
				dectaBody(`"status":"chargeback","modified":1795150012,` + history(paid+" chargeback@150012")),
				dectaBody(`"status":"chargeback","modified":1795160012,"transaction_details":{"chargebacks":70.00},` + history(paid+" chargeback@150012")),
			}},
		{name: "ChargebackOfTomorrowLearnt", gateway: "decta", want: "due=96.56 auth=0.00 exp=0.00 cap=96.56 set=0.00 ext=0.00 rev=0.00 rp=0.00 ref=0.00 dh=70.00 dl=0.00 gross=96.56 net=26.56 over=0.00 PAID/NONE/OPEN/OPEN",
			bodies: []string{
				dectaBody(`"status":"paid","paid":1795140012,"modified":1795140012,` + history(paid)),
				dectaBody(`"status":"chargeback","modified":1795150012,` + tomorrow(paid, "chargeback")),
				dectaBody(`"status":"chargeback","modified":1795160012,"transaction_details":{"chargebacks":70.00},` + tomorrow(paid, "chargeback")),
				dectaBody(`"status":"chargeback","modified":1795150000,` + history(paid+" chargeback@150000")),
			}},
		{name: "RefundOfTomorrowLearnt", gateway: "decta", want: "due=96.56 auth=0.00 exp=0.00 cap=96.56 set=0.00 ext=0.00 rev=0.00 rp=0.00 ref=30.00 dh=0.00 dl=0.00 gross=96.56 net=66.56 over=0.00 PAID/PARTIAL/NONE/OPEN",
			bodies: []string{
				dectaBody(`"status":"paid","paid":1795140012,"modified":1795140012,` + history(paid)),
				dectaBody(`"status":"refunded","modified":1795150012,` + tomorrow(paid, "refunded")),
				dectaBody(`"status":"refunded","modified":1795160012,"amount_refunded":30.00,` + tomorrow(paid, "refunded")),
				dectaBody(`"status":"refunded","modified":1795150000,` + history(paid+" refunded@150000")),
			}},
		{name: "RefundOfTomorrowThenAnother", gateway: "decta", want: "due=96.56 auth=0.00 exp=0.00 cap=96.56 set=0.00 ext=0.00 rev=0.00 rp=0.00 ref=45.00 dh=0.00 dl=0.00 gross=96.56 net=51.56 over=0.00 PAID/PARTIAL/NONE/OPEN",
			bodies: []string{
				dectaBody(`"status":"paid","paid":1795140012,"modified":1795140012,` + history(paid)),
				dectaBody(`"status":"refunded","modified":1795150012,"amount_refunded":30.00,` + tomorrow(paid, "refunded")),
				dectaBody(`"status":"refunded","modified":1795160012,"amount_refunded":45.00,` +
					strings.TrimSuffix(tomorrow(paid, "refunded"), "]") + `,{"new_status":"refunded","on":1795160012}]`),
			}},
		{name: "OverdueThenPaid", gateway: "decta", want: "due=96.56 auth=0.00 exp=0.00 cap=96.56 set=96.56 ext=0.00 rev=0.00 rp=0.00 ref=0.00 dh=0.00 dl=0.00 gross=96.56 net=96.56 over=0.00 PAID/NONE/NONE/OVERDUE",
			bodies: []string{
				dectaBody(`"status":"overdue","modified":1795139000,` + history("issued@132800 overdue@139000")),
				dectaBody(`"status":"paid","paid":1795140012,"modified":1795140012,` + history("issued@132800 overdue@139000 paid@140012")),
				dectaBody(`"status":"paid","paid":1795140012,"modified":1795150012,"transaction_details":{"settled":1795150012},` + history("issued@132800 overdue@139000 paid@140012")),
			}},
		{name: "Received", gateway: "decta", want: "due=96.56 auth=0.00 exp=0.00 cap=0.00 set=0.00 ext=96.56 rev=0.00 rp=0.00 ref=0.00 dh=0.00 dl=0.00 gross=96.56 net=96.56 over=0.00 PAID/NONE/NONE/OPEN",
			bodies: []string{
				dectaBody(`"status":"issued","modified":1795132800,` + history("issued@132800")),
				dectaBody(`"status":"Recieved","paid":1795226400,"modified":1795226400,"transaction_details":{"method":""},` + history("issued@132800 received@226400")),
			}},
		{name: "EverifinRaised", gateway: "everifin", want: "due=150.99 auth=0.00 exp=30.00 cap=120.99 set=120.99 ext=0.00 rev=0.00 rp=0.00 ref=20.00 dh=0.00 dl=0.00 gross=120.99 net=100.99 over=0.00 PARTIALLY_PAID/PARTIAL/NONE/OPEN",
			bodies: []string{
				`{"meta":{"status":"SUCCESS"},"data":{"id":"o1","amount":120.99,"currency":"EUR","status":"UNPAID","externalId":"SO-9","createdAt":"2026-11-20T10:00:00.000Z","payments":[{"id":"p1","status":"CREATED","amount":120.99,"currency":"EUR"}],"refunds":[]}}`,
				`{"eventId":"e1","eventType":"payment.statusChange","eventTimestamp":"2026-11-20T10:05:59.895Z","data":{"paymentId":"p1","orderId":"o1","externalId":"SO-9","status":"BOOKED"}}`,
				`{"meta":{"status":"SUCCESS"},"data":{"id":"o1","amount":150.99,"currency":"EUR","status":"PARTIALLY_PAID","externalId":"SO-9","createdAt":"2026-11-20T10:00:00.000Z","payments":[{"id":"p1","status":"BOOKED","amount":120.99,"currency":"EUR"},{"id":"p2","status":"CREATED","amount":30.00,"currency":"EUR"}],"refunds":[{"id":"r1","status":"BOOKED","amount":20.00,"currency":"EUR"}]}}`,
				`{"eventId":"e2","eventType":"payment.statusChange","eventTimestamp":"2026-11-20T10:07:59.895Z","data":{"paymentId":"p2","orderId":"o1","externalId":"SO-9","status":"CONFIRMED"}}`,
				`{"eventId":"e3","eventType":"payment.statusChange","eventTimestamp":"2026-11-21T10:07:59.895Z","data":{"refundId":"r1","orderId":"o1","externalId":"SO-9","status":"BOOKED"}}`,
			}},
		{name: "EverifinConfirmedThenFailed", gateway: "everifin", want: "due=120.99 auth=0.00 exp=0.00 cap=0.00 set=0.00 ext=0.00 rev=0.00 rp=0.00 ref=0.00 dh=0.00 dl=0.00 gross=0.00 net=0.00 over=0.00 UNPAID/NONE/NONE/OPEN",
			bodies: []string{
				`{"meta":{"status":"SUCCESS"},"data":{"id":"o2","amount":120.99,"currency":"EUR","status":"UNPAID","externalId":"SO-10","payments":[{"id":"p3","status":"PROCESSING","amount":120.99,"currency":"EUR"}]}}`,
				`{"eventId":"e4","eventType":"payment.statusChange","eventTimestamp":"2026-11-20T10:05:59.895Z","data":{"paymentId":"p3","orderId":"o2","status":"CONFIRMED"}}`,
				`{"eventId":"e5","eventType":"payment.statusChange","eventTimestamp":"2026-11-20T11:05:59.895Z","data":{"paymentId":"p3","orderId":"o2","status":"FAILED"}}`,
			}},
		{name: "ConnectPaySettledBeforeApproved", gateway: "connectpay", want: "due=49.00 auth=0.00 exp=0.00 cap=49.00 set=49.00 ext=0.00 rev=0.00 rp=0.00 ref=0.00 dh=0.00 dl=0.00 gross=49.00 net=49.00 over=0.00 PAID/NONE/NONE/OPEN",
			bodies: connectpayBodies("PIS", "Initiated", "PendingMerchant", "InProgress", "Processing", "PendingProvider", "Settled", "Approved")},
		{name: "ConnectPayRefunded", gateway: "connectpay", want: "due=49.00 auth=0.00 exp=0.00 cap=49.00 set=0.00 ext=0.00 rev=0.00 rp=0.00 ref=49.00 dh=0.00 dl=0.00 gross=49.00 net=0.00 over=0.00 PAID/FULL/NONE/OPEN",
			bodies: connectpayBodies("CARD", "Approved", "PendingRefund", "PartialyRefunded", "Refunded")},
		{name: "ConnectPayPendingRefund", gateway: "connectpay", want: "due=49.00 auth=0.00 exp=0.00 cap=49.00 set=0.00 ext=0.00 rev=0.00 rp=0.00 ref=0.00 dh=0.00 dl=0.00 gross=49.00 net=49.00 over=0.00 PAID/PENDING/NONE/OPEN",
			bodies: connectpayBodies("CARD", "Initiated", "Approved", "PendingRefund")},
		{name: "ConnectPayAbandonedThenPaid", gateway: "connectpay", want: "due=30.00 auth=0.00 exp=0.00 cap=30.00 set=0.00 ext=0.00 rev=0.00 rp=0.00 ref=0.00 dh=0.00 dl=0.00 gross=30.00 net=30.00 over=0.00 PAID/NONE/NONE/OPEN",
			bodies: []string{
				`{"merchant":{"generic1":"SO-8"},"payment":{"paymentId":"c1","paymentMethod":"PIS","instructedAmount":{"amount":"29.00","currency":"EUR"}},"status":{"code":"Initiated","isTerminal":false}}`,
				`{"merchant":{"generic1":"SO-8"},"payment":{"paymentId":"c1","paymentMethod":"PIS","instructedAmount":{"amount":"29.00","currency":"EUR"}},"status":{"code":"Abandoned","isTerminal":true}}`,
				`{"merchant":{"generic1":"SO-8"},"payment":{"paymentId":"c2","paymentMethod":"CARD","instructedAmount":{"amount":"30.00","currency":"EUR"}},"status":{"code":"Approved","isTerminal":true}}`,
			}},
	}
}

func connectpayBodies(method string, statuses ...string) []string {
	var bodies []string
	for _, status := range statuses {
		bodies = append(bodies, `{"merchant":{"generic1":"SO-7"},"payment":{"paymentId":"0740","paymentMethod":"`+method+
			`","instructedAmount":{"amount":"49.00","currency":"EUR"}},"status":{"code":"`+status+`","isTerminal":true}}`)
	}
	return bodies
}

// TestArrivalOrder feeds each scenario in many orders, with redeliveries, and
// expects the same figures.
func TestArrivalOrder(t *testing.T) {
	t.Parallel()
	for _, s := range scenarios() {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			permutations := permute(len(s.bodies))
			if len(permutations) > 40 {
				r := rand.New(rand.NewPCG(1, 2))
				r.Shuffle(len(permutations)-1, func(i, j int) { permutations[i+1], permutations[j+1] = permutations[j+1], permutations[i+1] })
				permutations = permutations[:40]
			}
			for _, p := range permutations {
				if got := outcome(t, s, p); got != s.want {
					t.Fatalf("bodies in order %v end in\n%s, want\n%s", p, got, s.want)
				}
			}
		})
	}
}

func outcome(t *testing.T, s scenario, order []int) string {
	t.Helper()
	l := model.Open(t)
	ctx := context.Background()
	for _, i := range order {
		for again := range 2 {
			r, err := l.Accept(ctx, s.gateway, []byte(s.bodies[i]))
			if err != nil {
				t.Fatal(err)
			}
			if want := []commands.Outcome{commands.Accepted, commands.Duplicate}[again]; r.Outcome != want {
				t.Fatalf("body %d, time %d: %+v, want %s", i, again+1, r, want)
			}
		}
	}
	states, err := l.Orders(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if len(states) != 1 {
		t.Fatalf("%d orders, want one", len(states))
	}
	for _, state := range states {
		return model.Summary(state)
	}
	return ""
}

// permute lists all orders of n things, the given one first.
func permute(n int) [][]int {
	if n == 0 {
		return [][]int{{}}
	}
	var all [][]int
	for _, shorter := range permute(n - 1) {
		for at := len(shorter); at >= 0; at-- {
			p := append(append(append([]int{}, shorter[:at]...), n-1), shorter[at:]...)
			all = append(all, p)
		}
	}
	return all
}
