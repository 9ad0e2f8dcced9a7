package e2e_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"
	"github.com/google/go-cmp/cmp"
	"github.com/parquet-go/parquet-go"

	"github.com/order-ledger/order-ledger/test/harness"
)

// TestLake appends to a lake while the ledger goes on, with a run that is killed in between. The lake's events
// and those of the feed after it are the log, as a client of the event store reads it: in order, each once.
func TestLake(t *testing.T) {
	t.Parallel()
	s := harness.NewSite(t, harness.Options{Env: []string{"LEDGER_EVENTSTORE_LISTEN=127.0.0.1:0", "LEDGER_CANARY=0"}})
	dir, lake := t.TempDir(), filepath.Join(t.TempDir(), "lake")
	grow := []string{"export", "history", "--format", "parquet", "--lake", lake, "--actor", "kim", "--json", "--part-events", "10"}
	s.RunOK(t, "simulate", "--orders", "60", "--seed", "79", "--out", dir)
	if r := s.Run(t, grow...); r.Code == 0 || !strings.Contains(r.Stderr, "ledger serve") {
		t.Errorf("a lake of no ledger: exit code %d, %s", r.Code, r.Stderr)
	}
	l := s.Serve(t)
	s.RunOK(t, "ingest", "--gateway", "decta", filepath.Join(dir, "decta.ndjson"))

	killed := harness.Launch(t, s.Command(grow...))
	harness.Eventually(t, "the run commits something", func() bool {
		_, err := os.Stat(filepath.Join(lake, "_manifests", "000003.json"))
		return err == nil
	})
	killed.Kill(t)
	if done := killed.Stdout().String(); done != "" {
		t.Errorf("the run was over before it was killed: %s", done)
	}
	s.RunOK(t, grow...)
	s.RunOK(t, "ingest", "--gateway", "everifin", filepath.Join(dir, "everifin.ndjson"))
	var run struct {
		Cursor    string `json:"cursor"`
		Events    int    `json:"events"`
		Manifests []int  `json:"manifests"`
	}
	if err := json.Unmarshal([]byte(s.RunOK(t, grow...).Stdout), &run); err != nil || run.Events == 0 || len(run.Manifests) < 2 {
		t.Fatalf("%v: %+v", err, run)
	}
	s.RunOK(t, "ingest", "--gateway", "connectpay", filepath.Join(dir, "connectpay.ndjson"))

	publicKey := strings.TrimSpace(s.RunOK(t, "export", "key").Stdout)
	s.RunOK(t, "export", "verify", lake, "--public-key", publicKey, "--recorded")
	inLake := lakeIDs(t, lake)
	inFeed := feedIDs(t, l, "?test=true&after="+run.Cursor)
	if len(inLake) == 0 || len(inFeed) == 0 {
		t.Fatalf("%d in the lake, %d in the feed", len(inLake), len(inFeed))
	}
	if diff := cmp.Diff(logIDs(t, l), slices.Concat(inLake, inFeed)); diff != "" {
		t.Errorf("events (-log +lake and feed):\n%s", diff)
	}
	mustNotVerify(t, s, lake, run.Manifests)
}

// mustNotVerify does to copies of a lake what verify notices.
func mustNotVerify(t *testing.T, s *harness.Site, lake string, manifests []int) {
	t.Helper()
	last := fmt.Sprintf("%06d.json", manifests[len(manifests)-1])
	before := fmt.Sprintf("%06d.json", manifests[len(manifests)-2])
	for name, c := range map[string]struct {
		do   func(manifests string) error
		args []string
	}{
		"first manifest gone": {func(m string) error { return os.Remove(filepath.Join(m, "000001.json")) }, nil},
		"last manifest gone":  {func(m string) error { return os.Remove(filepath.Join(m, last)) }, nil},
		"another's signature": {func(string) error { return nil }, []string{"--public-key", "AAAA"}},
		"an older copy": {func(m string) error {
			text, err := os.ReadFile(filepath.Join(m, before))
			files, globErr := filepath.Glob(filepath.Join(m, "..", "day=*", "part-"+strings.TrimSuffix(last, ".json")+"-*"))
			err = errors.Join(err, globErr, os.WriteFile(filepath.Join(m, "latest.json"), text, 0o600), os.Remove(filepath.Join(m, last)))
			for _, f := range files {
				err = errors.Join(err, os.Remove(f))
			}
			return err
		}, []string{"--recorded"}},
	} {
		copied := filepath.Join(t.TempDir(), "lake")
		if err := errors.Join(os.CopyFS(copied, os.DirFS(lake)), c.do(filepath.Join(copied, "_manifests"))); err != nil {
			t.Fatal(err)
		}
		if r := s.Run(t, append([]string{"export", "verify", copied}, c.args...)...); r.Code != 4 {
			t.Errorf("%s: exit code %d, %s", name, r.Code, r.Stderr)
		}
	}
}

// logIDs are the ids of all events that the feed can show, as a client of the event store reads them.
func logIDs(t *testing.T, l *harness.Ledger) (ids []string) {
	t.Helper()
	var said struct{ Events string }
	if err := json.Unmarshal([]byte(l.Stderr().WaitForLine(t, `"msg":"serving"`)), &said); err != nil {
		t.Fatal(err)
	}
	settings, err := esdb.ParseConnectionString("esdb://" + said.Events + "?tls=false")
	if err != nil {
		t.Fatal(err)
	}
	settings.Logger = esdb.NoopLogging()
	client, err := esdb.NewClient(settings)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = client.Close() }() // it was only read with
	stream, err := client.ReadAll(t.Context(), esdb.ReadAllOptions{From: esdb.Start{}, Direction: esdb.Forwards}, 1_000_000)
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close()
	for {
		resolved, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return ids
		}
		if err != nil {
			t.Fatal(err)
		}
		e := resolved.OriginalEvent()
		switch category, _, _ := strings.Cut(e.StreamID, "-"); category {
		case "order", "ordertest", "payout", "quarantine":
			ids = append(ids, e.EventID.String())
		}
	}
}

func feedIDs(t *testing.T, l *harness.Ledger, query string) []string {
	t.Helper()
	a := l.Do(t, "GET", "/events"+query, "", http.Header{"Accept": {"application/x-ndjson"}})
	var ids []string
	for line := range strings.SplitSeq(strings.TrimSpace(a.Body), "\n") {
		var e struct {
			ID string `json:"id"`
		}
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatalf("%v in %s", err, line)
		}
		ids = append(ids, e.ID)
	}
	return ids
}

// lakeIDs are the ids of the events of a lake, in the order of its manifests and their files.
func lakeIDs(t *testing.T, lake string) (ids []string) {
	t.Helper()
	for n := 1; ; n++ {
		text, err := os.ReadFile(filepath.Join(lake, "_manifests", fmt.Sprintf("%06d.json", n)))
		if errors.Is(err, os.ErrNotExist) {
			return ids
		}
		var m struct {
			Files []struct{ Path string } `json:"files"`
		}
		if err == nil {
			err = json.Unmarshal(text, &m)
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range m.Files { // all are of today, or of today and tomorrow: in order
			rows, err := parquet.ReadFile[struct {
				ID string `parquet:"id,optional"`
			}](filepath.Join(lake, f.Path))
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range rows {
				ids = append(ids, r.ID)
			}
		}
	}
}
