package bulk_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/order-ledger/order-ledger/cmd/internal/bulk"
	"github.com/order-ledger/order-ledger/commands"
	"github.com/order-ledger/order-ledger/commands/gateways/decta"
	"github.com/order-ledger/order-ledger/domain/order"
	"github.com/order-ledger/order-ledger/eventstore"
	"github.com/order-ledger/order-ledger/eventstore/node"
)

// setup opens an empty log and an intake on it.
func setup(t *testing.T) (*node.Node, *commands.Intake) {
	t.Helper()
	log, err := node.Open(node.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := log.Close(); err != nil {
			t.Errorf("close the log: %v", err)
		}
	})
	return log, commands.NewIntake(commands.IntakeConfig{Log: log, Translators: []commands.Translator{decta.New()}})
}

func ingest(t *testing.T, intake *commands.Intake, lines ...string) bulk.Summary {
	t.Helper()
	source := bulk.Source{Gateway: "decta", Account: "default", Verified: "import"}
	summary, err := bulk.Ingest(t.Context(), intake, source, strings.NewReader(strings.Join(lines, "\n")))
	if err != nil {
		t.Fatal(err)
	}
	return summary
}

// body is a DECTA order in a status.
func body(id, status string, on int) string {
	return fmt.Sprintf(`{"type":"order","id":%q,"number":"N-%s","status":%q,"currency":"EUR","total":10.00,"is_test":false,"issued":1795132800,`+
		`"modified":%d,"status_changes":[{"new_status":%q,"on":%d}]}`, id, id, status, on, status, on)
}

func TestIngest_CountsEveryLineOnce(t *testing.T) {
	t.Parallel()
	_, intake := setup(t)
	long := `{"id":"d-long","x":"` + strings.Repeat("x", bulk.LineBytesMax) + `"}`
	hidden := body("d-hidden", "paid", 1795132900) + strings.Repeat(" ", bulk.LineBytesMax) + "garbage"
	got := ingest(t, intake,
		body("d-1", "issued", 1795132800), "", " \t\r", body("d-1", "issued", 1795132800), body("d-2", "paid", 1795132900)+"\r",
		`{"id":`, `{"id":`, long, long+"x", hidden)
	if want := "accepted 2, duplicate 2, quarantined 4, failed 0"; got.String() != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// TestIngest_LastIsWhatWasWrittenNow keeps a caller that waits for Last from waiting for an old
// position: a duplicate's says nothing about the rest of the log.
func TestIngest_LastIsWhatWasWrittenNow(t *testing.T) {
	t.Parallel()
	_, intake := setup(t)
	first := ingest(t, intake, `{"id":`)
	if first.Last == (eventstore.Position{}) {
		t.Fatalf("a quarantined line is at no position: %+v", first)
	}
	if again := ingest(t, intake, `{"id":`); again.Duplicate != 1 || again.Last != (eventstore.Position{}) {
		t.Errorf("the same line again: %s with the last at %s, want a duplicate and none", again, again.Last)
	}
	if more := ingest(t, intake, `{"id":`, body("d-1", "paid", 1795132900)); more.Last.Compare(first.Last) <= 0 {
		t.Errorf("the last is at %s, want after %s", more.Last, first.Last)
	}
}

// TestIngest_KeepsAnOrdersLinesInOrder hands lines in whose order shows in the stream.
func TestIngest_KeepsAnOrdersLinesInOrder(t *testing.T) {
	t.Parallel()
	log, intake := setup(t)
	const orders, steps = 40, 10
	var lines []string
	for step := range steps {
		for n := range orders {
			lines = append(lines, body(fmt.Sprintf("d-%d", n), fmt.Sprintf("step_%d", step), 1795132800+step))
		}
	}
	if got := ingest(t, intake, lines...); got.Accepted != orders*steps {
		t.Fatalf("%s, want %d accepted", got, orders*steps)
	}
	seen := map[string]int{}
	for e, err := range log.ReadAll(t.Context(), eventstore.AllRead{}) {
		if err != nil {
			t.Fatal(err)
		}
		event, _, err := order.Decode(e.Type, e.Data, e.Metadata)
		if err != nil {
			t.Fatal(err)
		}
		observed, ok := event.(order.GatewayStatusObserved)
		if !ok {
			continue
		}
		if want := fmt.Sprintf("step_%d", seen[e.Stream]); observed.Status != want {
			t.Fatalf("stream %s: %s, want %s", e.Stream, observed.Status, want)
		}
		seen[e.Stream]++
	}
	if len(seen) != orders {
		t.Errorf("%d streams, want %d", len(seen), orders)
	}
}

// TestIngest_OrderThatCannotBeRead: its lines have failed, are in quarantine, and stop no other.
func TestIngest_OrderThatCannotBeRead(t *testing.T) {
	t.Parallel()
	log, intake := setup(t)
	ingest(t, intake, body("d-1", "issued", 1795132800))
	streams := 0
	for e, err := range log.ReadAll(t.Context(), eventstore.AllRead{}) {
		if err != nil {
			t.Fatal(err)
		}
		if e.Revision == 0 && strings.HasPrefix(e.Stream, "order-") {
			streams++
			if _, err := log.Append(t.Context(), e.Stream, eventstore.Any, eventstore.EventData{
				ID: uuid.New(), Type: "OrderTeleported", JSON: true, Data: []byte(`{}`), Metadata: []byte(`{"schema":1}`),
			}); err != nil {
				t.Fatal(err)
			}
		}
	}
	if streams != 1 {
		t.Fatalf("%d orders, want 1", streams)
	}
	got := ingest(t, intake, body("d-1", "paid", 1795132900), body("d-2", "paid", 1795132900))
	if want := "accepted 1, duplicate 0, quarantined 0, failed 1"; got.String() != want || !strings.Contains(got.FirstFailure, "OrderTeleported") {
		t.Errorf("%s, first failure %q, want %s", got, got.FirstFailure, want)
	}
	kept := 0
	for _, err := range log.ReadStream(t.Context(), order.QuarantineStream("decta"), eventstore.StreamRead{}) {
		if err != nil {
			t.Fatal(err)
		}
		kept++
	}
	if kept != 1 {
		t.Errorf("%d in quarantine, want 1", kept)
	}
}
