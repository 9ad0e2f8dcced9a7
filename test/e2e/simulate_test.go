package e2e_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/shopspring/decimal"

	"github.com/order-ledger/order-ledger/test/harness"
)

// simulated are the files of one `ledger simulate`.
type simulated struct {
	dir    string
	orders int
}

// simulate writes the notifications of simulated orders.
func simulate(t *testing.T, orders int, seed uint64) simulated {
	t.Helper()
	dir := t.TempDir()
	r := harness.Run(t, harness.Command{Args: []string{"simulate", "--orders", fmt.Sprint(orders), "--seed", fmt.Sprint(seed), "--out", dir}})
	if r.Code != 0 {
		t.Fatalf("simulate: exit code %d: %s", r.Code, r.Stderr)
	}
	return simulated{dir: dir, orders: orders}
}

func (s simulated) path(name string) string { return filepath.Join(s.dir, name+".ndjson") }

// lines are the lines of a file.
func (s simulated) lines(t *testing.T, name string) []string {
	t.Helper()
	content, err := os.ReadFile(s.path(name))
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimRight(string(content), "\n"), "\n")
}

func gateways() []string { return []string{"decta", "everifin", "connectpay"} }

// TestSimulate_SameSeedSameBytes makes a run repeatable.
func TestSimulate_SameSeedSameBytes(t *testing.T) {
	t.Parallel()
	one, two, other := simulate(t, 50, 7), simulate(t, 50, 7), simulate(t, 50, 8)
	for _, name := range append(gateways(), "expected", "expected-other") {
		first := strings.Join(one.lines(t, name), "\n")
		if first != strings.Join(two.lines(t, name), "\n") {
			t.Errorf("%s differs from run to run", name)
		}
		if name == "decta" && first == strings.Join(other.lines(t, name), "\n") {
			t.Errorf("%s is the same for another seed", name)
		}
	}
}

// sizeOf is how many orders TestSimulate_ComesOutToTheCent takes, and the seed that they come from:
// LEDGER_TEST_ORDERS and LEDGER_TEST_SEED, for a larger run than one of all tests has time for.
func sizeOf(t *testing.T) (orders int, seed uint64) {
	t.Helper()
	orders, seed = 300, 7
	if text := os.Getenv("LEDGER_TEST_ORDERS"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil {
			t.Fatalf("LEDGER_TEST_ORDERS: %v", err)
		}
		orders = n
	}
	if text := os.Getenv("LEDGER_TEST_SEED"); text != "" {
		n, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			t.Fatalf("LEDGER_TEST_SEED: %v", err)
		}
		seed = n
	}
	return orders, seed
}

// TestSimulate_ComesOutToTheCent takes simulated notifications in, files in random order, each killed
// in its middle (kill -9), with PostgreSQL restarted behind it; then everything again, PostgreSQL
// restarting meanwhile: every order has the figures that truly happened.
func TestSimulate_ComesOutToTheCent(t *testing.T) {
	t.Parallel()
	orders, from := sizeOf(t)
	sim := simulate(t, orders, from)
	server := startPostgres(t)
	s := harness.NewSite(t, harness.Options{DatabaseURL: server.url})
	r, seed := seeded()
	files := gateways()
	r.Shuffle(len(files), func(i, j int) { files[i], files[j] = files[j], files[i] })
	for _, gateway := range files {
		ingestKilled(t, s, gateway, sim.lines(t, gateway))
		server.stop(t)
		server.start(t)
		s.RunOK(t, "ingest", "--gateway", gateway, sim.path(gateway))
	}
	wantExpected(t, s, sim)
	r.Shuffle(len(files), func(i, j int) { files[i], files[j] = files[j], files[i] })
	for _, gateway := range files {
		p := harness.Launch(t, s.Command("ingest", "--gateway", gateway, sim.path(gateway)))
		server.stop(t)
		server.start(t)
		lines := sim.lines(t, gateway)
		questions := strings.Count(strings.Join(lines, "\n"), `"payment.statusCheck"`) // are answered and leave nothing
		want := fmt.Sprintf("accepted %d, duplicate %d, quarantined 0, failed 0", questions, len(lines)-questions)
		if again := p.Wait(t); again.Code != 0 || again.LastLine() != want {
			t.Errorf("%s again: exit code %d, %s, want %s\n%s", gateway, again.Code, again.LastLine(), want, again.Stderr)
		}
	}
	wantExpected(t, s, sim)
	s.RunOK(t, "audit", "--all") // every column of every view, and the audit trail, are what the log says
	if t.Failed() {
		t.Logf("files in the order of seed %d", seed)
	}
}

// TestSimulate_AnyOrderOfArrival takes the lines of the files in completely shuffled. ConnectPay's stay
// as they are: its bodies carry no time, so whether a refund failed can only be told by their order.
func TestSimulate_AnyOrderOfArrival(t *testing.T) {
	t.Parallel()
	sim := simulate(t, 300, 11)
	s := harness.NewSite(t, harness.Options{})
	r, seed := seeded()
	for _, gateway := range gateways() {
		lines := sim.lines(t, gateway)
		if gateway != "connectpay" {
			r.Shuffle(len(lines), func(i, j int) { lines[i], lines[j] = lines[j], lines[i] })
		}
		s.RunOK(t, "ingest", "--gateway", gateway, writeLines(t, lines...))
	}
	wantExpected(t, s, sim)
	if t.Failed() {
		t.Logf("lines in the order of seed %d", seed)
	}
}

// seeded is randomness that a failure names.
func seeded() (*rand.Rand, uint64) {
	seed := rand.Uint64()
	return rand.New(rand.NewPCG(seed, 0)), seed
}

// ingestKilled feeds lines to an ingest and kills it when the views show some of them.
func ingestKilled(t *testing.T, s *harness.Site, gateway string, lines []string) {
	t.Helper()
	out, in, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	const position = `select coalesce(max(position), -1) as p from ledger.checkpoint`
	before := "-1"
	if s.Row(t, `select to_regclass('ledger.checkpoint') is not null as yes`)["yes"] == true {
		before = s.Row(t, position).Text("p")
	}
	c := s.Command("ingest", "--gateway", gateway, "-")
	c.Stdin = out
	p := harness.Launch(t, c)
	_ = out.Close()
	half := len(lines) / 2
	if _, err := in.WriteString(strings.Join(lines[:half], "\n") + "\n"); err != nil {
		t.Fatalf("feed the ingest: %v\n%s", err, p.Stderr())
	}
	harness.Eventually(t, "the views show some of what was fed", func() bool {
		return s.Row(t, `select to_regclass('ledger.checkpoint') is not null as yes`)["yes"] == true && s.Row(t, position).Text("p") != before
	})
	fed := make(chan struct{})
	go func() { // breaks off when the reader dies
		defer close(fed)
		_, _ = in.WriteString(strings.Join(lines[half:len(lines)-1], "\n"))
	}()
	p.Kill(t)
	<-fed
}

// wantExpected compares the views with what truly happened: every column that is told, and no order
// besides.
func wantExpected(t *testing.T, s *harness.Site, sim simulated) {
	t.Helper()
	views, total := map[string]map[string][]harness.Row{}, map[string]int{}
	for _, view := range []string{"orders", "test_orders", "payouts"} {
		views[view] = map[string][]harness.Row{}
		for _, row := range s.Rows(t, `select * from ledger.`+view) {
			key := row.Text("source") + " " + row.Text("source_order_id")
			views[view][key] = append(views[view][key], row)
		}
	}
	for _, name := range []string{"expected", "expected-other"} {
		for _, line := range sim.lines(t, name) {
			var want harness.Row
			decoder := json.NewDecoder(strings.NewReader(line))
			decoder.UseNumber()
			if err := decoder.Decode(&want); err != nil {
				t.Fatalf("expectation: %v: %s", err, line)
			}
			view := "orders"
			if want["view"] != nil {
				view = want.Text("view")
			}
			total[view]++
			compare(t, view, want, views[view][want.Text("gateway")+" "+want.Text("source_order_id")])
		}
	}
	for _, view := range []string{"orders", "test_orders", "payouts"} {
		if n := s.Count(t, "ledger."+view); n != total[view] {
			t.Errorf("ledger.%s has %d rows, want %d", view, n, total[view])
		}
	}
	if n := s.Count(t, "ledger.parked_orders"); n != 0 {
		t.Errorf("%d orders are parked", n)
	}
	if total["orders"] < 250 || total["orders"] == sim.orders {
		t.Errorf("of %d simulated orders there are %v", sim.orders, total)
	}
}

// compare compares an expectation with the rows of its name.
func compare(t *testing.T, view string, want harness.Row, rows []harness.Row) {
	t.Helper()
	if len(rows) != 1 {
		t.Errorf("%d rows of ledger.%s for %v", len(rows), view, want)
		return
	}
	for column, value := range want {
		switch column {
		case "view", "gateway", "scenario":
			continue
		}
		got, ok := rows[0][column]
		if !ok {
			t.Errorf("ledger.%s has no column %s", view, column)
		} else if !same(value, got) {
			t.Errorf("%s %s (%s): %s is %v, truly %v", want["gateway"], want["source_order_id"], want["scenario"], column, got, value)
		}
	}
}

// same compares values, amounts by their value.
func same(a, b any) bool {
	if fmt.Sprint(a) == fmt.Sprint(b) {
		return true
	}
	x, errX := decimal.NewFromString(fmt.Sprint(a))
	y, errY := decimal.NewFromString(fmt.Sprint(b))
	return errX == nil && errY == nil && x.Equal(y)
}
