package e2e_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/order-ledger/order-ledger/test/harness"
)

// bigFile has several notifications of each of many DECTA orders, disputes and refunds among them. It
// leaves out the orders that were tried twice at the gateway: an ingest keeps the order of the lines of
// one gateway order, not of two, so their histories may differ from run to run (their figures do not).
func bigFile(t *testing.T) (path string, lines []string) {
	t.Helper()
	type body struct{ ID, Number string }
	var bodies []body
	all := simulate(t, 700, 21).lines(t, "decta")
	ids := map[string]map[string]bool{}
	for _, line := range all {
		var b body
		if err := json.Unmarshal([]byte(line), &b); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		bodies = append(bodies, b)
		if ids[b.Number] == nil {
			ids[b.Number] = map[string]bool{}
		}
		ids[b.Number][b.ID] = true
	}
	for i, line := range all {
		if len(ids[bodies[i].Number]) == 1 {
			lines = append(lines, line)
		}
	}
	if len(lines) < 1000 {
		t.Fatalf("the file has only %d lines", len(lines))
	}
	return writeLines(t, lines...), lines
}

// TestCrash_IngestAgain kills the ledger (kill -9) in the middle of an ingest of a big file, and does
// it again: the views equal those of a run that nobody disturbed, row for row.
func TestCrash_IngestAgain(t *testing.T) {
	t.Parallel()
	file, lines := bigFile(t)
	undisturbed := harness.NewSite(t, harness.Options{})
	undisturbed.RunOK(t, "ingest", "--gateway", "decta", file)
	want := dump(t, undisturbed)
	t.Run("IngestKilledTwice", func(t *testing.T) {
		t.Parallel()
		killIngest(t, file, lines, want)
	})
	t.Run("RunningLedgerKilled", func(t *testing.T) {
		t.Parallel()
		killLedgerUnderIngest(t, file, lines, want)
	})
}

func killIngest(t *testing.T, file string, lines []string, want map[string][]string) {
	t.Helper()
	disturbed := harness.NewSite(t, harness.Options{})
	ingestKilled(t, disturbed, "decta", lines[:len(lines)/2])
	ingestKilled(t, disturbed, "decta", lines)
	disturbed.RunOK(t, "ingest", "--gateway", "decta", file)
	wantSameViews(t, want, dump(t, disturbed))
}

// killLedgerUnderIngest kills the running ledger while an ingest goes through it: the ingest says so
// and fails.
func killLedgerUnderIngest(t *testing.T, file string, lines []string, want map[string][]string) {
	t.Helper()
	l := harness.Serve(t, harness.Options{})
	out, in, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	c := l.Site.Command("ingest", "--gateway", "decta", "-")
	c.Stdin = out
	client := harness.Launch(t, c)
	_ = out.Close()
	if _, err := io.WriteString(in, strings.Join(lines[:len(lines)/2], "\n")+"\n"); err != nil {
		t.Fatal(err)
	}
	harness.Eventually(t, "the views show some of what was fed", func() bool { return l.Site.Count(t, "ledger.orders") > 0 })
	l.Kill(t)
	_ = in.Close()
	if r := client.Wait(t); r.Code != 1 || !strings.Contains(r.Stderr, "running ledger") {
		t.Errorf("ingest through a killed ledger: exit code %d: %s; want 1 and a sentence about the running ledger", r.Code, r.Stderr)
	}

	again := l.Site.Serve(t)
	again.Site.RunOK(t, "ingest", "--gateway", "decta", file)
	wantSameViews(t, want, dump(t, l.Site))
}

// TestCrash_AcknowledgedWebhooksSurviveKill kills the ledger right after an answer, many times over:
// what was answered 200 is there.
func TestCrash_AcknowledgedWebhooksSurviveKill(t *testing.T) {
	t.Parallel()
	s := harness.NewSite(t, harness.Options{})
	var want []string
	for _, id := range []string{"k-1", "k-2", "k-3", "k-4"} {
		l := s.Open(t) // the views may not be ready
		accept(t, l, "decta", dectaPaid(id, strings.ToUpper(id)))
		accept(t, l, "decta", dectaRefunded(id, strings.ToUpper(id)))
		l.Kill(t)
		want = append(want, id+" 10.00")
	}
	l := s.Serve(t)
	l.WaitForViews(t)
	got := table(s.Rows(t, `select source_order_id, refunded from ledger.orders order by 1`), "source_order_id", "refunded")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("ledger.orders (-want +got):\n%s", diff)
	}
	if said := accept(t, l, "decta", dectaRefunded("k-1", "K-1")); said.Outcome != "duplicate" {
		t.Errorf("a webhook of before the kill, again: %+v, want duplicate", said)
	}
}

// TestDatabaseDown_IntakeGoesOn takes webhooks while PostgreSQL is away; afterwards the views catch up
// by themselves.
func TestDatabaseDown_IntakeGoesOn(t *testing.T) {
	t.Parallel()
	server := startPostgres(t)
	l := harness.Serve(t, harness.Options{DatabaseURL: server.url})
	accept(t, l, "decta", dectaPaid("w-1", "W-1"))
	l.WaitForViews(t)

	server.stop(t)
	accept(t, l, "decta", dectaPaid("w-2", "W-2"))
	accept(t, l, "decta", dectaRefunded("w-1", "W-1"))
	if answer := l.Post(t, "connectpay", connectpay("w-3", "W-3", "Approved")); answer.Status != http.StatusOK || answer.Body != "OK" {
		t.Errorf("ConnectPay is answered %d %q while the database is away", answer.Status, answer.Body)
	}
	if answer := l.Get(t, "/readyz"); answer.Status != http.StatusServiceUnavailable {
		t.Errorf("/readyz answers %d %s while the database is away, want 503", answer.Status, answer.Body)
	}
	if answer := l.Get(t, "/healthz"); answer.Status != http.StatusOK {
		t.Errorf("/healthz answers %d while the database is away, want 200: the ledger lives", answer.Status)
	}
	wantProblem(t, l.Get(t, "/orders/W-1"), http.StatusServiceUnavailable, "nothing is lost")

	server.start(t)
	l.WaitForViews(t)
	want := []string{"connectpay W-3 49.00 0.00", "decta w-1 96.56 10.00", "decta w-2 96.56 0.00"}
	got := table(l.Site.Rows(t, `select source, source_order_id, captured, refunded from ledger.orders order by 1, 2`),
		"source", "source_order_id", "captured", "refunded")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("ledger.orders (-want +got):\n%s", diff)
	}
	if row := l.Site.Row(t, `select count(*) as n from ledger.order_history where event_type = 'PaymentCaptured'`); row.Text("n") != "3" {
		t.Errorf("%v captures, want 3: nothing twice", row["n"])
	}
}

// TestDatabaseHangs_ReadsAreAnswered: a database that takes a question and never answers is told to who asked, before the
// connection is closed on them; and when it answers again, so does the ledger.
func TestDatabaseHangs_ReadsAreAnswered(t *testing.T) {
	t.Parallel()
	l := harness.Serve(t, harness.Options{})
	accept(t, l, "decta", dectaPaid("hang-1", "HANG-1"))
	l.WaitForViews(t)
	conn, err := pgx.Connect(t.Context(), l.Site.DatabaseURL)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(t.Context())) }()
	if _, err := conn.Exec(t.Context(), "begin; lock table ledger_data.checkpoint in access exclusive mode"); err != nil {
		t.Fatal(err)
	}
	if a := l.Get(t, "/orders/HANG-1"); a.Status != http.StatusServiceUnavailable || !strings.Contains(a.Body, "views_unavailable") || a.Header.Get("Retry-After") == "" {
		t.Errorf("while the database hangs: %d %s", a.Status, a.Body)
	}
	if _, err := conn.Exec(t.Context(), "rollback"); err != nil {
		t.Fatal(err)
	}
	if a := l.Get(t, "/orders/HANG-1"); a.Status != http.StatusOK {
		t.Errorf("afterwards: %d %s", a.Status, a.Body)
	}
}

// TestDatabaseDown_AtStart starts without a database, takes webhooks, and shows them when it comes.
func TestDatabaseDown_AtStart(t *testing.T) {
	t.Parallel()
	server := startPostgres(t)
	server.stop(t)
	s := harness.NewSite(t, harness.Options{DatabaseURL: server.url})
	l := s.Open(t)
	accept(t, l, "decta", dectaPaid("w-1", "W-1"))
	if answer := l.Get(t, "/readyz"); answer.Status != http.StatusServiceUnavailable {
		t.Errorf("/readyz answers %d %s, want 503", answer.Status, answer.Body)
	}
	server.start(t)
	l.WaitReady(t)
	l.WaitForViews(t)
	if n := s.Count(t, "ledger.orders"); n != 1 {
		t.Errorf("%d orders, want 1", n)
	}
}
