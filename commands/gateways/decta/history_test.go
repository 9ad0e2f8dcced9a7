package decta_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/order-ledger/order-ledger/commands/gateways/gatewaytest"
	"github.com/order-ledger/order-ledger/domain/order"
)

// history renders the gate's history from "status@seconds" words.
func history(words string) string {
	var items []string
	for word := range strings.FieldsSeq(words) {
		status, on, _ := strings.Cut(word, "@")
		items = append(items, fmt.Sprintf(`{"new_status":%q,"on":1795%s}`, status, on))
	}
	return `"status_changes":[` + strings.Join(items, ",") + `]`
}

// statusKeys are the keys of the facts that come from the history, shortened.
func statusKeys(all []order.Fact) []string {
	var keys []string
	add := func(at order.At) {
		if _, status, found := strings.Cut(at.Key, ":status:"); found {
			keys = append(keys, status)
		}
	}
	for _, f := range all {
		switch f := f.(type) {
		case order.Issued:
			add(f.At)
		case order.Viewed:
			add(f.At)
		case order.Processing:
			add(f.At)
		case order.Failed:
			add(f.At)
		case order.StatusObserved:
			add(f.At)
		case order.Cancelled:
			add(f.At)
		case order.DisputeStage:
			add(f.At)
		case order.RefundTotals:
			for _, step := range f.Steps {
				add(step.At)
			}
		}
	}
	return keys
}

func TestTranslate_History(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, members string
		want          []string
	}{
		{"WholeListEveryTime", `"status":"viewed",` + history("issued@132800 viewed@132871 viewed@132900"),
			[]string{"issued:1795132800:0", "viewed:1795132871:0", "viewed:1795132900:0"}},
		{"SameSecondTwice", `"status":"viewed",` + history("issued@132800 viewed@132871 viewed@132871"),
			[]string{"issued:1795132800:0", "viewed:1795132871:0", "viewed:1795132871:1"}},
		{"TiesKeepTheGatesOrder", `"status":"failed",` + history("in_progress@132800 failed@132800 in_progress@132800 failed@132800"),
			[]string{"in_progress:1795132800:0", "failed:1795132800:0", "in_progress:1795132800:1", "failed:1795132800:1"}},
		{"AnAbsurdTimeKeepsItsPlace", `"status":"refunded","modified":1795132900,"status_changes":[{"new_status":"refunded","on":4102444800},` +
			strings.TrimPrefix(history("refund_initiated@132890 refunded@132900"), `"status_changes":[`),
			[]string{"refunded:4102444800:0", "refund_initiated:1795132890:0", "refunded:1795132900:0"}},
		{"NewestFirst", `"status":"viewed",` + history("viewed@132871 issued@132800"),
			[]string{"issued:1795132800:0", "viewed:1795132871:0"}},
		{"PresentStatusIsMissing", `"status":"viewed","modified":1795132871,` + history("issued@132800"),
			[]string{"issued:1795132800:0", "viewed:1795132871:0"}},
		{"PresentStatusWithItsOwnTime", `"status":"viewed","viewed":1795132872,` + history("issued@132800"),
			[]string{"issued:1795132800:0", "viewed:1795132872:0"}},
		{"PresentStatusAmongThoseOfTheLastSecond", `"status":"viewed","modified":1795132900,` + history("viewed@132871 issued@132871"),
			[]string{"viewed:1795132871:0", "issued:1795132871:0"}},
		{"PresentStatusComesBack", `"status":"viewed","modified":1795132900,` + history("viewed@132871 in_progress@132880"),
			[]string{"viewed:1795132871:0", "in_progress:1795132880:0", "viewed:1795132900:0"}},
		{"Objects", `"status":{"name":"Viewed"},"status_changes":[{"new_status":{"status":"issued"},"on":1795132800},{"new_status":{"code":"viewed"},"on":1795132871}]`,
			[]string{"issued:1795132800:0", "viewed:1795132871:0"}},
		{"Times", `"status":"viewed","status_changes":[{"new_status":"issued","on":1795132800.0},{"new_status":"in_progress","on":"1795132870"},
			{"new_status":"viewed","on":"1795132871.0"},{"new_status":"viewed","on":"2026-11-20T00:01:12Z"}]`,
			[]string{"issued:1795132800:0", "in_progress:1795132870:0", "viewed:1795132871:0", "viewed:1795132872:0"}},
		{"NoTimes", `"status":"viewed","status_changes":[{"new_status":"issued"},{"new_status":"viewed","on":null},{"new_status":"viewed","on":0}]`,
			[]string{"issued:-:0", "viewed:-:0", "viewed:-:1"}},
		{"NothingUsable", `"status":"","status_changes":[{"on":1795132800},{"new_status":null},7,null,{"new_status":" - "}]`, nil},
		{"RefundSteps", `"status":"refunded",` + history("paid@140012 refund_initiated@226390 refunded@226400"),
			[]string{"refund_initiated:1795226390:0", "refunded:1795226400:0"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			got := facts(t, `{"id":"o",`+tc.members+`}`)
			if diff := cmp.Diff(tc.want, statusKeys(got)); diff != "" {
				t.Errorf("history (-want +got):\n%s", diff)
			}
			if bad := gatewaytest.OfKind[order.Anomaly](got); len(bad) > 0 {
				t.Errorf("flagged %+v", bad)
			}
		})
	}
}

// TestTranslate_UnreadableParts: a part that cannot be read is flagged, the
// rest counts.
func TestTranslate_UnreadableParts(t *testing.T) {
	t.Parallel()
	for name, members := range map[string]string{
		"HistoryIsText":     `"status_changes":"issued"`,
		"StatusIsList":      `"status_changes":[{"new_status":["issued"],"on":1}]`,
		"StatusIsFlag":      `"status_changes":[{"new_status":true,"on":1}]`,
		"TimeIsText":        `"status_changes":[{"new_status":"issued","on":"yesterday"}]`,
		"TimeHasFraction":   `"status_changes":[{"new_status":"issued","on":"1795132800.5"}]`,
		"TimeIsNegative":    `"status_changes":[{"new_status":"issued","on":-1}]`,
		"TimeInMillis":      `"status_changes":[{"new_status":"issued","on":"1795132800000"}]`,
		"TimeIsObject":      `"status_changes":[{"new_status":"issued","on":{}}]`,
		"ModifiedIsText":    `"modified":"x"`,
		"DetailsAreAList":   `"transaction_details":[1]`,
		"TestFlagIsText":    `"is_test":"yes"`,
		"ReferenceIsObject": `"number":{}`,
		"ReferenceTooLong":  `"number":"` + strings.Repeat("x", 256) + `"`,
		"CounterIsFlag":     `"transaction_details":{"chargebacks":true}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := facts(t, `{"id":"o","status":"paid","paid":1795140012,"currency":"EUR","total":96.56,`+members+`}`)
			flagged := gatewaytest.OfKind[order.Anomaly](got)
			if len(flagged) == 0 || flagged[0].Code != order.FlagMalformedBody || flagged[0].Key == "" || flagged[0].Detail == "" {
				t.Errorf("flagged %+v, want malformed_body", flagged)
			}
			if totals := gatewaytest.OfKind[order.Totals](got); len(totals) != 1 || !totals[0].Captured {
				t.Errorf("totals %+v, want the capture", totals)
			}
		})
	}
}

// TestTranslate_Attempts: an attempt is counted by its beginning, and the
// processing's code explains the newest attempt alone.
func TestTranslate_Attempts(t *testing.T) {
	t.Parallel()
	const threeTries = "issued@132800 in_progress@132890 failed@132905 in_progress@132930 failed@132941 in_progress@132950 failed@132960"
	type attempt struct {
		N      int
		Reason string
	}
	for name, tc := range map[string]struct {
		members string
		want    []attempt
	}{
		"ThreeTries": {`"status":"failed","transaction_details":{"processing_status":{"code":"116"}},` + history(threeTries),
			[]attempt{{1, ""}, {2, ""}, {3, "116"}}},
		"CancelledAfterwards": {`"status":"cancelled","transaction_details":{"processing_status":{"code":"116"}},` + history(threeTries+" cancelled@132961"),
			[]attempt{{1, ""}, {2, ""}, {3, "116"}}},
		"CodeOfALaterSuccess": {`"status":"paid","transaction_details":{"processing_status":{"code":"000"}},` + history("in_progress@132890 failed@132905 in_progress@132930 paid@132941"),
			[]attempt{{1, ""}}},
		"CodeAmongErrors": {`"status":"failed","modified":1795132905,"transaction_details":{"errors":[{"on":1,"code":"51"},{"on":2,"code":"05"},{"on":3,"description":"Do not honour"}]}`,
			[]attempt{{0, "05"}}},
		"TextIsNoCode": {`"status":"failed","modified":1795132905,"transaction_details":{"processing_status":{"code":"Ada had no money"},"errors":[{"description":"Ada"}]}`,
			[]attempt{{0, ""}}},
		"NumberIsACode": {`"status":"failed","modified":1795132905,"transaction_details":{"processing_status":{"code":116}}`,
			[]attempt{{0, "116"}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got []attempt
			for _, f := range gatewaytest.OfKind[order.Failed](facts(t, `{"id":"o",`+tc.members+`}`)) {
				if f.Final {
					t.Error("a failure is final; more attempts are allowed")
				}
				got = append(got, attempt{f.Attempt, f.ReasonCode})
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("failures (-want +got):\n%s", diff)
			}
		})
	}
}

// TestTranslate_Phases: the event's name tells an operation that was never
// accepted, and is a hint about the newest status alone.
func TestTranslate_Phases(t *testing.T) {
	t.Parallel()
	for event, want := range map[string]string{
		"order.refund_init_failure": "processing init", "order.refund_init _failure": "processing init",
		"order.refund_failure": "processing processing", "": "processing processing",
	} {
		got := facts(t, fmt.Sprintf(`{"id":"o","event_type":%q,"status":"refund_failed",%s}`, event,
			history("paid@1 refund_failed@140012 refund_failed@226400")))
		steps := gatewaytest.OfKind[order.RefundTotals](got)[0].Steps
		if phases := steps[0].Phase + " " + steps[1].Phase; phases != want {
			t.Errorf("%q: phases %s, want %s", event, phases, want)
		}
	}
}

// TestTranslate_WhatPaidMeans: one capture, however often "paid" is said, and
// none of what was received outside the gateway.
func TestTranslate_WhatPaidMeans(t *testing.T) {
	t.Parallel()
	at := func(seconds int64) time.Time { return unix(seconds) }
	for _, tc := range []struct {
		name, members     string
		captured, implied bool
		on                time.Time
		held              bool
		none              bool
	}{
		{name: "Status", members: `"status":"paid","modified":1795140012`, captured: true, on: at(1795140012)},
		{name: "PaidTimeFirst", members: `"status":"paid","paid":1795140010,"captured":1795140011,"modified":1795140012`, captured: true, on: at(1795140010), held: true},
		{name: "PaidTimeAlone", members: `"paid":1795140010`, captured: true, on: at(1795140010)},
		{name: "CaptureTime", members: `"status":"paid","captured":1795140011`, captured: true, on: at(1795140011), held: true},
		{name: "History", members: `"status":"refunded",` + history("hold@140012 paid@226400 refunded@226500"), captured: true, on: at(1795226400), held: true},
		{name: "Implied", members: `"status":"refunded","modified":1795140012`, captured: true, implied: true},
		{name: "Hold", members: `"status":"hold","modified":1795140012,"captured":null,"paid":null`, held: true},
		{name: "TimesOfZero", members: `"status":"hold","modified":1795140012,"captured":0,"paid":0`, held: true},
		{name: "Reversed", members: `"status":"reversed","modified":1795140012`},
		{name: "Inquiry", members: `"status":"retrieval","modified":1795140012`},
		{name: "Received", members: `"status":"received","paid":1795140012`, none: true},
		{name: "ReceivedAfterAFailure", members: `"status":"received","paid":1795140012,` + history("in_progress@132890 failed@132905 received@140012"), on: at(1795140012)},
		{name: "SaidTwice", members: `"status":"paid",` + history("paid@140012 refund_failed@226400 paid@226500"), captured: true, on: at(1795140012)},
		{name: "Issued", members: `"status":"issued","issued":1795132800,"paid":null`, none: true},
		{name: "Unknown", members: `"status":"teleported","modified":1795140012`, none: true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			totals := gatewaytest.OfKind[order.Totals](facts(t, `{"id":"o","currency":"EUR","total":5,`+tc.members+`}`))
			if tc.none {
				if len(totals) > 0 {
					t.Errorf("%+v, want none", totals[0])
				}
				return
			}
			if len(totals) != 1 {
				t.Fatalf("%d totals, want one", len(totals))
			}
			f := totals[0]
			if f.Captured != tc.captured || f.CaptureImplied != tc.implied || !f.CapturedAt.Equal(tc.on) || f.Held != tc.held {
				t.Errorf("captured %v implied %v at %s, held %v; want %v %v %s %v",
					f.Captured, f.CaptureImplied, f.CapturedAt, f.Held, tc.captured, tc.implied, tc.on, tc.held)
			}
		})
	}
}

// TestTranslate_PaidAgain: "paid" after another status moves nothing; after a
// dispute it suggests an outcome, after fraud advice it does not.
func TestTranslate_PaidAgain(t *testing.T) {
	t.Parallel()
	for words, want := range map[string]bool{
		"paid@140012 chargeback@226400 paid@226500":                           true,
		"paid@140012 retrieval@226400 paid@226500":                            true,
		"paid@140012 chargeback@226400":                                       false,
		"paid@140012 fraud_advice@226400 paid@226500 retrieval@226600":        false,
		"paid@140012 fraud_advice@226400 paid@226500 refund_initiated@226600": false,
	} {
		got := facts(t, `{"id":"o",`+history(words)+`}`)
		suggested := false
		for _, f := range gatewaytest.OfKind[order.DisputeTotals](got) {
			suggested = f.PaidAgain
		}
		if suggested != want {
			t.Errorf("%s: suggests an outcome: %v, want %v", words, suggested, want)
		}
		observed := gatewaytest.OfKind[order.StatusObserved](got)
		if again := strings.Count(words, "paid@") == 2; again != (len(observed) == 1 && observed[0].Recognised) {
			t.Errorf("%s: observed %+v", words, observed)
		}
	}
}

// TestTranslate_Settlement: the money has arrived once the gate says when.
func TestTranslate_Settlement(t *testing.T) {
	t.Parallel()
	for details, want := range map[string]string{
		`{"cleared":1795219200,"settled":1795305600}`: "2026-11-22T00:00:00Z",
		`{"cleared":1795219200,"settled":null}`:       "2026-11-21T00:00:00Z",
		`{"cleared":null,"settled":0}`:                "",
	} {
		var got string
		for _, f := range gatewaytest.OfKind[order.Settled](facts(t, `{"id":"o","status":"paid","transaction_details":`+details+`}`)) {
			if got = f.OccurredAt.Format(time.RFC3339); f.Amount != nil || f.Key != "decta:o:settled" {
				t.Errorf("settled %+v, want what was captured", f)
			}
		}
		if got != want {
			t.Errorf("%s: settled at %q, want %q", details, got, want)
		}
	}
}
