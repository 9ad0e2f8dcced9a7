package reportpage_test

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/order-ledger/order-ledger/cmd/internal/reportpage"
	"github.com/order-ledger/order-ledger/migrations"
	"github.com/order-ledger/order-ledger/projections/localpg/pgtest"
	"github.com/order-ledger/order-ledger/projections/reports"
)

// TestPage draws a page of known postings: the figures are on it, bars have their place, names of strangers
// are texts, and nothing is loaded from anywhere.
func TestPage(t *testing.T) {
	t.Parallel()
	conn, err := pgx.Connect(t.Context(), pgtest.Prepared(t, "migrated", func(ctx context.Context, conn *pgx.Conn) error {
		_, err := migrations.Apply(ctx, conn, migrations.Options{})
		return err
	}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.WithoutCancel(t.Context())) })
	drawn := func(p reports.Params) string {
		page, err := reportpage.Gather(t.Context(), conn, p, "C:1/P:1")
		var out bytes.Buffer
		if err == nil {
			err = reportpage.Write(&out, page)
		}
		if err != nil {
			t.Fatal(err)
		}
		return out.String()
	}
	draw := func() string { return drawn(reports.Params{}) }
	if empty := draw(); !strings.Contains(empty, "Nothing was posted") {
		t.Errorf("a page of nothing: %s", empty)
	}
	if _, err := conn.Exec(t.Context(), `
		INSERT INTO ledger_data.journal_lines (order_id, revision, line, position, event_id, posting_date, value_date, recorded_at, account, currency,
		  amount, source, source_account)
		SELECT '<o>', r, line, r, gen_random_uuid(), date '2026-10-01' + 3 * r, date '2026-10-01' + 3 * r, now(), CASE line WHEN 1 THEN '1100' ELSE '1200' END,
		  'EUR', CASE line WHEN 1 THEN 1 ELSE -1 END * 12.5 * r, '<script>', 'x' FROM generate_series(1, 2) r, generate_series(1, 2) line;
		INSERT INTO ledger_data.order_history (order_id, revision, position, event_id, event_type, occurred_at, recorded_at, source, actor, data, metadata)
		SELECT '<o>', r, r, gen_random_uuid(), 'PaymentCaptured', now(), now(), 'decta', 'system', '{}', '{}' FROM generate_series(1, 2) r`); err != nil {
		t.Fatal(err)
	}
	text := draw()
	for _, want := range []string{"37.50", "25.00", "04 Oct", `height="75.0"`, `height="150.0"`, "EUR"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not on the page", want)
		}
	}
	if n := strings.Count(text, "<rect"); n != 4+5 { // 4 to 7 October; ages
		t.Errorf("%d bars", n)
	}
	// A page of one entity shows nothing of other books, and counts only what can be told apart.
	if own := drawn(reports.Params{Entity: "baltics"}); !strings.Contains(own, "books of baltics") || strings.Contains(own, "37.50") || strings.Contains(own, "Anomalies") ||
		!strings.Contains(text, "Anomalies") || !strings.Contains(own, "Disputes open") {
		t.Errorf("the page of another entity: %s", own)
	}
	for _, never := range []string{"<script", "http://", "https://", "url("} {
		if strings.Contains(text, never) {
			t.Errorf("%q is on the page", never)
		}
	}
	svg := xml.NewDecoder(strings.NewReader(text[strings.Index(text, "<svg") : strings.Index(text, "</svg>")+6]))
	for {
		if _, err := svg.Token(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatalf("the picture is no SVG: %v", err)
		}
	}
}
