package history_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/order-ledger/order-ledger/domain/order"
	"github.com/order-ledger/order-ledger/eventstore"
	"github.com/order-ledger/order-ledger/migrations"
	"github.com/order-ledger/order-ledger/projections/history"
	"github.com/order-ledger/order-ledger/projections/internal/storable"
	"github.com/order-ledger/order-ledger/projections/localpg/pgtest"
	"github.com/order-ledger/order-ledger/projections/schema"
)

const orderID = "01J9ORDER"

// TestRows_TheViewShowsEnvelopesWhole: however an envelope is kept, the view shows what the log has: the golden ones,
// random ones of our encoder, and what others may write.
func TestRows_TheViewShowsEnvelopesWhole(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 1))
	envelopes := golden(t)
	for range 2000 {
		ours := randomEnvelope(t, random)
		envelopes = append(envelopes, ours, mutated(random, ours))
	}
	conn := database(t)
	var rows history.Rows
	positions, wants := make([]int64, len(envelopes)), make([]string, len(envelopes))
	lines := make(map[uint64]history.Line)
	for i, raw := range envelopes {
		e := entry(uint64(i), raw)
		rows.Add(e)
		lines[uint64(i)] = history.LineOf(e)
		positions[i], wants[i] = int64(i), string(storable.JSON([]byte(raw), false))
	}
	if err := rows.Copy(t.Context(), conn.PgConn(), nil); err != nil {
		t.Fatal(err)
	}
	found, err := conn.Query(t.Context(), `SELECT w.position, h.metadata::text FROM unnest($1::bigint[], $2::text[]) AS w (position, metadata)
		LEFT JOIN ledger.order_history AS h ON h.position = w.position WHERE h.metadata IS DISTINCT FROM w.metadata::jsonb`, positions, wants)
	if err != nil {
		t.Fatal(err)
	}
	var at int
	var shown *string
	if _, err := pgx.ForEachRow(found, []any{&at, &shown}, func() error {
		t.Errorf("%s is kept as %s and shown as %v", envelopes[at], lines[uint64(at)].Metadata, shown)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	stored, err := history.Stored(t.Context(), conn, orderID)
	if err != nil {
		t.Fatal(err)
	}
	letters := make(map[byte]int)
	for _, l := range stored {
		if l != lines[l.Position] {
			t.Errorf("stored is %+v, not %+v", l, lines[l.Position])
		}
		letters[l.Metadata[0]]++
	}
	for letter := byte(':'); letter <= 'I'; letter++ {
		if letters[letter] < 10 || letters['{'] < 500 || len(stored) != len(envelopes) {
			t.Fatalf("%d of %d are there, and not in all ways: %v", len(stored), len(envelopes), letters)
		}
	}
}

// TestStored_EnvelopeOfAnEarlierVersion: the same envelope is no difference because it was kept with its names.
func TestStored_EnvelopeOfAnEarlierVersion(t *testing.T) {
	t.Parallel()
	conn := database(t)
	e := entry(1, usual(t))
	var rows history.Rows
	rows.Add(e)
	if err := rows.Copy(t.Context(), conn.PgConn(), nil); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Exec(t.Context(), "UPDATE order_history SET metadata = $1", string(e.Event.Metadata)); err != nil {
		t.Fatal(err)
	}
	stored, err := history.Stored(t.Context(), conn, orderID)
	if err != nil || len(stored) != 1 || stored[0] != history.LineOf(e) {
		t.Errorf("%+v, %v, not %+v", stored, err, history.LineOf(e))
	}
}

func BenchmarkRows_Add(b *testing.B) {
	e := entry(1, usual(b))
	var rows history.Rows
	b.ReportAllocs()
	for b.Loop() {
		rows.Reset()
		rows.Add(e)
	}
}

func database(tb testing.TB) *pgx.Conn {
	tb.Helper()
	url := pgtest.Prepared(tb, "migrated", func(ctx context.Context, conn *pgx.Conn) error {
		_, err := migrations.Apply(ctx, conn, migrations.Options{})
		return err
	})
	conn, err := pgx.Connect(tb.Context(), url)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = conn.Close(context.WithoutCancel(tb.Context())) })
	if _, err := conn.Exec(tb.Context(), "SET search_path TO "+schema.Live); err != nil {
		tb.Fatal(err)
	}
	return conn
}

// entry is of an event with an envelope, decoded as far as can be.
func entry(at uint64, envelope string) *history.Entry {
	ev := &eventstore.RecordedEvent{
		Stream: "order-" + orderID, Revision: at, Position: eventstore.Position{Commit: at, Prepare: at}, ID: uuid.New(),
		Type: "OrderViewed", Data: []byte(`{}`), Metadata: []byte(envelope), Created: time.Unix(1_700_000_000, 0),
	}
	e := &history.Entry{OrderID: orderID, Event: ev}
	var m order.Metadata
	if json.Unmarshal(ev.Metadata, &m) == nil {
		e.Metadata, e.Readable = &m, at%5 != 0 // what else the event has may not be
	}
	return e
}

func golden(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("../../domain/order/testdata/golden/*/*")
	if err != nil || len(files) < 50 {
		t.Fatalf("%d golden files: %v", len(files), err)
	}
	var envelopes []string
	for _, name := range files {
		content, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		_, envelope, ok := strings.Cut(strings.TrimSpace(string(content)), "\n")
		if !ok {
			t.Fatalf("%s has no envelope", name)
		}
		envelopes = append(envelopes, envelope)
	}
	return envelopes
}

// usual is the envelope of an event that a gateway told.
func usual(tb testing.TB) string {
	tb.Helper()
	at := time.Date(2026, 11, 20, 10, 0, 0, 123_456_789, time.UTC)
	return encoded(tb, order.OrderViewed{}, &order.Metadata{
		CorrelationID: "01M7XRS5ACXZJXASXA4J23EJYE", CausationID: "9aaad2c5-d11b-582a-ab2a-93f83ce28a1c", LedgerID: "01M7XRS5AD7CG2CCMK4K2KVXQC",
		OccurredAt: at, OccurredAtBasis: order.BasisStatusChange, ReceivedAt: at, RecordedAt: at.Add(time.Millisecond), Source: "decta",
		SourceAccount: "default", SourceEventID: strings.Repeat("0f", 32), SourceStatus: "paid", Actor: "system", Translator: "decta/1",
	})
}

func encoded(tb testing.TB, e order.Event, m *order.Metadata) string {
	tb.Helper()
	_, _, envelope, err := order.Encode(e, *m)
	if err != nil {
		tb.Fatal(err)
	}
	return string(envelope)
}

// randomEnvelope is one of our encoder: each member may be absent or odd, most are not.
func randomEnvelope(tb testing.TB, random *rand.Rand) string {
	tb.Helper()
	text := func(usual string, absent int) string {
		odd := []string{"", "a|b", `a"b`, `a\b`, "é", "a\x00b", "<&>", "%s %1$s", "{x,y}", ",", "a\nb", "NULL", "\x7f", strings.Repeat("x", 3000)}
		switch n := random.IntN(100); {
		case n < absent:
			return ""
		case n < absent+2:
			return odd[random.IntN(len(odd))]
		}
		return usual
	}
	at := func() time.Time {
		t := time.Unix(1_790_000_000+random.Int64N(1e6), random.Int64N(1e9)).UTC()
		return t.Truncate([]time.Duration{1, time.Microsecond, time.Second}[random.IntN(3)])
	}
	m := &order.Metadata{
		CorrelationID: text("01M7XRS5ACXZJXASXA4J23EJYE", 3), CausationID: text(uuid.NewString(), 50), LedgerID: text("01M7XRS5AD7CG2CCMK4K2KVXQC", 1),
		OccurredAt: at(), OccurredAtBasis: order.Basis(text("received", 1)), ReceivedAt: at(), RecordedAt: at(), Source: text("decta", 1),
		SourceAccount: text("default", 3), SourceEventID: text("00ff", 50), SourceStatus: text("paid", 50), Actor: text("system", 1),
		Translator: text("decta/1", 50),
	}
	switch random.IntN(20) {
	case 0:
		m.ReceivedAt = time.Time{}
	case 1:
		m.ToldAt = at()
	case 2:
		m.Flags = []order.Flag{order.Flag(text("late", 10)), "amount_assumed"}
	case 3:
		m.OccurredAt = m.OccurredAt.In(time.FixedZone("", 3600))
	case 4:
		return encoded(tb, order.RefundObserved{}, m) // schema 2
	}
	return encoded(tb, order.OrderViewed{}, m)
}

// mutated is an envelope that was cut, doubled, or written in another way.
func mutated(random *rand.Rand, envelope string) string {
	at := random.IntN(len(envelope))
	switch random.IntN(8) {
	case 0:
		return envelope[:at]
	case 1:
		return envelope[:at] + string(rune(random.IntN(128))) + envelope[at:]
	case 2:
		return strings.Replace(envelope, `{`, `{"ledger_id":"first",`, 1)
	case 3:
		return strings.TrimSuffix(envelope, "}") + `,"more":[1,"x"]}`
	case 4:
		var members map[string]any
		if json.Unmarshal([]byte(envelope), &members) != nil {
			return envelope
		}
		sorted, _ := json.Marshal(members)
		return string(sorted)
	case 5:
		return strings.ReplaceAll(envelope, `,`, ` , `)
	case 6:
		return strings.Replace(envelope, "01M7", "\xff\xfe", 1)
	}
	return []string{``, `null`, `[]`, `":"`, `0`, `:|a|b`, fmt.Sprintf(`%q`, envelope), "\x00", `{"source":1}`}[random.IntN(9)]
}
