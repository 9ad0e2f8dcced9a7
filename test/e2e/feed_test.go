package e2e_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/order-ledger/order-ledger/test/harness"
)

// feedPage is what tests look at of GET /events.
type feedPage struct {
	Events []struct {
		ID, Type, Subject, Stream string
	} `json:"events"`
	Cursor, Next string
	More         bool
}

func readFeed(t *testing.T, l *harness.Ledger, path string) feedPage {
	t.Helper()
	a := l.Get(t, path)
	if a.Status != http.StatusOK {
		t.Fatalf("GET %s: %d %s", path, a.Status, a.Body)
	}
	var p feedPage
	a.JSON(t, &p)
	return p
}

// TestFeed_FollowsThroughAKill reads the facts of webhooks, kills the ledger, and goes on with the
// cursor from before, by pages and by a stream.
func TestFeed_FollowsThroughAKill(t *testing.T) {
	t.Parallel()
	l := harness.Serve(t, harness.Options{})
	l.Post(t, "decta", dectaPaid("f-1", "R-1"))
	first := readFeed(t, l, "/events")
	if len(first.Events) == 0 || first.Events[0].Type != "NotificationRecorded" {
		t.Fatalf("got %+v", first)
	}
	l.Kill(t)
	l = l.Site.Serve(t)
	l.Post(t, "decta", dectaRefunded("f-1", "R-1"))
	second := readFeed(t, l, first.Next)
	if len(second.Events) == 0 || second.Events[0].Subject != first.Events[0].Subject {
		t.Fatalf("after the kill: %+v", second)
	}
	seen := map[string]bool{}
	for _, e := range append(first.Events, second.Events...) {
		if seen[e.ID] {
			t.Errorf("event %s twice", e.ID)
		}
		seen[e.ID] = true
	}
	if all := readFeed(t, l, "/events"); len(all.Events) != len(seen) {
		t.Errorf("%d events in two pages, %d in one", len(seen), len(all.Events))
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, l.URL+"/events/stream", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Last-Event-ID", first.Cursor)
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	lines := bufio.NewScanner(answer.Body)
	for lines.Scan() {
		data, ok := strings.CutPrefix(lines.Text(), "data: ")
		if !ok {
			continue
		}
		var e struct{ ID string }
		if err := json.Unmarshal([]byte(data), &e); err != nil {
			t.Fatal(err)
		}
		if e.ID != second.Events[0].ID {
			t.Errorf("the stream goes on with %s, want %s", e.ID, second.Events[0].ID)
		}
		return
	}
	t.Fatalf("the stream ended: %v", lines.Err())
}

// TestFeed_CursorsFitEveryEngine goes on with the cursor of a ledger that had the log in its own process,
// at one that reaches the same log through EventStoreDB's protocol, and back.
func TestFeed_CursorsFitEveryEngine(t *testing.T) {
	t.Parallel()
	const quiet = "LEDGER_CANARY=0" // canaries move the cursor of a page
	l := harness.Serve(t, harness.Options{Env: []string{quiet}})
	l.Post(t, "decta", dectaPaid("f-1", "R-1"))
	first := readFeed(t, l, "/events")
	l.Kill(t)
	process := harness.Launch(t, l.Site.Command("node", "--eventstore-listen", "127.0.0.1:0"))
	var said struct{ Events string }
	if err := json.Unmarshal([]byte(process.Stderr().WaitForLine(t, `"msg":"serving"`)), &said); err != nil {
		t.Fatal(err)
	}
	remote := harness.Serve(t, harness.Options{Env: []string{quiet, "LEDGER_EVENTSTORE=" + said.Events}})
	if again := readFeed(t, remote, "/events"); !cmp.Equal(first, again) {
		t.Errorf("through the protocol:\n%s", cmp.Diff(first, again))
	}
	remote.Post(t, "decta", dectaRefunded("f-1", "R-1"))
	second := readFeed(t, remote, first.Next+"&wait=1ms") // the long poll goes another way
	if len(second.Events) == 0 {
		t.Fatal("nothing after the cursor")
	}
	remote.Kill(t)
	process.Kill(t)
	l = l.Site.Serve(t)
	if back := readFeed(t, l, first.Next); !cmp.Equal(second.Events, back.Events) || second.Cursor != back.Cursor {
		t.Errorf("back in process:\n%s", cmp.Diff(second, back))
	}
	if end := readFeed(t, l, "/events?after="+second.Cursor); len(end.Events) > 0 || end.Cursor != second.Cursor {
		t.Errorf("after the end: %+v", end)
	}
}

// TestFeed_Tokens lets a token read the feed only with its scope.
func TestFeed_Tokens(t *testing.T) {
	t.Parallel()
	l := harness.Serve(t, harness.Options{})
	for scope, want := range map[string]int{"feed:read": http.StatusOK, "orders:read": http.StatusForbidden} {
		var made struct{ Token string }
		if err := json.Unmarshal([]byte(l.Site.RunOK(t, "token", "create", "reports", "--scopes", scope, "--json").Stdout), &made); err != nil {
			t.Fatal(err)
		}
		if a := l.Do(t, http.MethodGet, "/events", "", http.Header{"Authorization": {"Bearer " + made.Token}}); a.Status != want {
			t.Errorf("%s: %d %s", scope, a.Status, a.Body)
		}
	}
	if a := l.Do(t, http.MethodGet, "/events", "", http.Header{"Authorization": {"Bearer wrong"}}); a.Status != http.StatusUnauthorized {
		t.Errorf("a wrong token: %d %s", a.Status, a.Body)
	}
	proxied := harness.Serve(t, harness.Options{Env: []string{"LEDGER_HTTP_BEHIND_PROXY=true"}})
	if a := proxied.Get(t, "/events"); a.Status != http.StatusUnauthorized {
		t.Errorf("behind a proxy without a token: %d %s", a.Status, a.Body)
	}
}

// TestFeed_RevokedToken ends the stream of a token that is revoked while it is followed.
func TestFeed_RevokedToken(t *testing.T) {
	t.Parallel()
	l := harness.Serve(t, harness.Options{})
	var made struct{ ID, Token string }
	if err := json.Unmarshal([]byte(l.Site.RunOK(t, "token", "create", "reports", "--scopes", "feed:read", "--json").Stdout), &made); err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, l.URL+"/events/stream", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+made.Token)
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	l.Site.RunOK(t, "token", "revoke", made.ID)
	lines := bufio.NewScanner(answer.Body)
	for lines.Scan() {
		if lines.Text() == `data: {"reason":"token_refused"}` {
			return
		}
	}
	t.Fatalf("the stream ended without a word: %v", lines.Err())
}

// TestFeed_EventsAreValid validates everything that a ledger says after the traffic of three gateways
// against the schemas that it serves.
func TestFeed_EventsAreValid(t *testing.T) {
	t.Parallel()
	l := harness.Serve(t, harness.Options{})
	var index struct{ Schemas []struct{ ID, Path string } }
	l.Get(t, "/schemas/").JSON(t, &index)
	compiler, known := jsonschema.NewCompiler(), map[string]*jsonschema.Schema{}
	compiler.AssertFormat()
	for _, s := range index.Schemas {
		document, err := jsonschema.UnmarshalJSON(strings.NewReader(l.Get(t, s.Path).Body))
		if err != nil {
			t.Fatal(err)
		}
		if err := compiler.AddResource(s.ID, document); err != nil {
			t.Fatal(err)
		}
		if known[s.ID], err = compiler.Compile(s.ID); err != nil {
			t.Fatal(err)
		}
	}
	traffic := t.TempDir()
	l.Site.RunOK(t, "simulate", "--orders", "300", "--seed", "7", "--out", traffic)
	for _, gateway := range []string{"decta", "everifin", "connectpay"} {
		l.Site.RunOK(t, "ingest", "--gateway", gateway, filepath.Join(traffic, gateway+".ndjson"))
	}
	types := map[string]bool{}
	answer := l.Get(t, "/events?format=ndjson&test=true")
	for line := range strings.Lines(answer.Body) {
		var e struct {
			Type, DataSchema string
			Data             json.RawMessage
		}
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatal(err)
		}
		data, err := jsonschema.UnmarshalJSON(bytes.NewReader(e.Data))
		if err != nil {
			t.Fatal(err)
		}
		if known[e.DataSchema] == nil {
			t.Fatalf("no schema %q", e.DataSchema)
		}
		if err := known[e.DataSchema].Validate(data); err != nil {
			t.Errorf("%s: %v: %s", e.Type, err, e.Data)
		}
		types[e.Type] = true
	}
	if len(types) < 20 {
		t.Errorf("only %d types of events were seen", len(types))
	}
}
