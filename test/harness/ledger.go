package harness

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/order-ledger/order-ledger/projections/localpg/pgtest"
	"github.com/order-ledger/order-ledger/test/harness/openapi"
)

// Options say how to run a ledger.
type Options struct {
	// Dir is the data directory; empty is a new one that is deleted with the test.
	Dir string
	// DatabaseURL is the database of the views; empty is a new one of the test's shared server.
	DatabaseURL string
	// Private lets the ledger run its own PostgreSQL instead.
	Private bool
	// Config is the text of the YAML file of accounts; empty is none.
	Config string
	// Env is added to the environment.
	Env []string
}

// Site is where ledgers run: a data directory and a database. One ledger runs there at a time.
type Site struct {
	Dir         string
	DatabaseURL string // empty: private
	config      string
	env         []string
}

// NewSite makes a place for ledgers.
func NewSite(tb testing.TB, o Options) *Site {
	tb.Helper()
	s := &Site{Dir: o.Dir, DatabaseURL: o.DatabaseURL, env: o.Env}
	if s.Dir == "" {
		s.Dir = DataDir(tb)
	}
	if s.DatabaseURL == "" && !o.Private {
		s.DatabaseURL = pgtest.URL(tb)
	}
	if o.Config != "" {
		s.config = filepath.Join(tb.TempDir(), "ledger.yaml")
		if err := os.WriteFile(s.config, []byte(o.Config), 0o600); err != nil {
			tb.Fatal(err)
		}
	}
	return s
}

// DataDir makes an empty data directory that is deleted with the test. Unlike tb.TempDir, the user
// that a private PostgreSQL runs as can reach it.
func DataDir(tb testing.TB) string {
	tb.Helper()
	dir, err := os.MkdirTemp("", "ledger-test-data-")
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		// The private PostgreSQL of a ledger that was killed ends a moment later, and writes until then.
		Eventually(tb, "the data directory is deleted", func() bool { return os.RemoveAll(dir) == nil })
	})
	if err := os.Chmod(dir, 0o755); err != nil {
		tb.Fatal(err)
	}
	return dir
}

// Command is a command line for this place.
func (s *Site) Command(args ...string) Command {
	env := []string{"LEDGER_DATA_DIR=" + s.Dir, "LEDGER_DATABASE_URL=" + s.DatabaseURL, "LEDGER_CONFIG=" + s.config,
		"LEDGER_HTTP=127.0.0.1:0", "LEDGER_EVENTSTORE_LISTEN=off", "LEDGER_LOG_JSON=1"}
	return Command{Args: args, Env: append(env, s.env...)}
}

// Run runs a command to its end.
func (s *Site) Run(tb testing.TB, args ...string) Result {
	tb.Helper()
	return Run(tb, s.Command(args...))
}

// RunOK is Run for a command that must succeed.
func (s *Site) RunOK(tb testing.TB, args ...string) Result {
	tb.Helper()
	r := s.Run(tb, args...)
	if r.Code != 0 {
		tb.Fatalf("ledger %s: exit code %d\n%s%s", strings.Join(args, " "), r.Code, r.Stdout, r.Stderr)
	}
	return r
}

// Ledger is a running `ledger serve`.
type Ledger struct {
	*Process
	Site *Site
	// URL is where it answers, without a slash at the end.
	URL string

	document func() (*openapi.Document, error)
}

// Serve makes a place, starts a ledger there and waits until it is ready.
func Serve(tb testing.TB, o Options) *Ledger {
	tb.Helper()
	return NewSite(tb, o).Serve(tb)
}

// Serve starts a ledger and waits until it is ready.
func (s *Site) Serve(tb testing.TB) *Ledger {
	tb.Helper()
	l := s.Open(tb)
	l.WaitReady(tb)
	return l
}

// Open starts a ledger and waits until it takes webhooks; its views may not be ready.
func (s *Site) Open(tb testing.TB) *Ledger {
	tb.Helper()
	l := &Ledger{Process: Launch(tb, s.Command("serve")), Site: s}
	line := l.Stderr().WaitForLine(tb, `"msg":"serving"`)
	var said struct {
		HTTP string `json:"http"`
	}
	if err := json.Unmarshal([]byte(line), &said); err != nil {
		tb.Fatalf("read the ledger's log: %v: %s", err, line)
	}
	l.URL = said.HTTP
	l.document = sync.OnceValues(func() (*openapi.Document, error) { return fetchDocument(tb, l.URL) })
	return l
}

// WaitReady waits until /readyz answers 200.
func (l *Ledger) WaitReady(tb testing.TB) {
	tb.Helper()
	Eventually(tb, "/readyz answers 200", func() bool {
		l.mustLive(tb)
		return l.Get(tb, "/readyz").Status == http.StatusOK
	})
}

// WaitForViews waits until the views show everything that was taken in before.
func (l *Ledger) WaitForViews(tb testing.TB) {
	tb.Helper()
	Eventually(tb, "the views have caught up", func() bool {
		l.mustLive(tb)
		var health struct {
			Behind bool `json:"views_behind"`
		}
		answer := l.Get(tb, "/readyz")
		answer.JSON(tb, &health)
		return answer.Status == http.StatusOK && !health.Behind
	})
}

func (l *Ledger) mustLive(tb testing.TB) {
	tb.Helper()
	select {
	case <-l.Ended():
		tb.Fatalf("the ledger ended: %s", l.cmd.ProcessState)
	default:
	}
}

// Answer is the ledger's answer to an HTTP request.
type Answer struct {
	Status int
	Header http.Header
	Body   string
}

// JSON decodes the body.
func (a Answer) JSON(tb testing.TB, into any) {
	tb.Helper()
	if err := json.Unmarshal([]byte(a.Body), into); err != nil {
		tb.Fatalf("answer %d is no JSON: %v: %q", a.Status, err, a.Body)
	}
}

// Get asks.
func (l *Ledger) Get(tb testing.TB, path string) Answer {
	tb.Helper()
	return l.Do(tb, http.MethodGet, path, "", nil)
}

// Post sends a webhook; path is what follows /webhooks/.
func (l *Ledger) Post(tb testing.TB, path, body string) Answer {
	tb.Helper()
	return l.Do(tb, http.MethodPost, "/webhooks/"+path, body, nil)
}

// Do sends a request. An answer that the ledger's OpenAPI document does not describe fails the test.
func (l *Ledger) Do(tb testing.TB, method, path, body string, header http.Header) Answer {
	tb.Helper()
	req, err := http.NewRequestWithContext(tb.Context(), method, l.URL+path, bytes.NewReader([]byte(body)))
	if err != nil {
		tb.Fatal(err)
	}
	for name, values := range header {
		req.Header[name] = values
	}
	answer, err := http.DefaultClient.Do(req)
	if err != nil {
		tb.Fatalf("%s %s: %v", method, path, err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		tb.Fatalf("%s %s: read the answer: %v", method, path, err)
	}
	document, err := l.document()
	if err == nil {
		err = document.Check(method, path, answer.StatusCode, answer.Header, text)
	}
	if err != nil {
		tb.Errorf("OpenAPI document: %v", err)
	}
	return Answer{Status: answer.StatusCode, Header: answer.Header, Body: string(text)}
}

func fetchDocument(tb testing.TB, url string) (*openapi.Document, error) {
	tb.Helper()
	req, err := http.NewRequestWithContext(tb.Context(), http.MethodGet, url+"/openapi.json", nil)
	if err != nil {
		return nil, err
	}
	answer, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return nil, err
	}
	return openapi.Parse(text)
}

// PostgresDir is where a private PostgreSQL lives.
func (s *Site) PostgresDir() string { return filepath.Join(s.Dir, "postgres") }
