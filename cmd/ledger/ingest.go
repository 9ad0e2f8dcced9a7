package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"github.com/order-ledger/order-ledger/cmd/internal/app"
	"github.com/order-ledger/order-ledger/cmd/internal/bulk"
	"github.com/order-ledger/order-ledger/cmd/internal/config"
	"github.com/order-ledger/order-ledger/cmd/internal/web"
	"github.com/order-ledger/order-ledger/eventstore"
	"github.com/order-ledger/order-ledger/projections"
)

// ingestFlags are the flags of `ledger ingest`.
type ingestFlags struct {
	gateway, account string
	viewsWait        time.Duration
}

func (c *cli) ingest() *cobra.Command {
	var f ingestFlags
	cmd := &cobra.Command{
		Example: `  ledger ingest --gateway everifin hooks.ndjson
  zcat hooks-*.gz | ledger ingest --gateway decta --account shop-eu -`,
		Use:   "ingest --gateway decta|everifin|connectpay [--account A] FILE…",
		Short: "Take notifications in from files, one raw body a line",
		Long: `ingest takes the bodies of webhooks, and of the gateways' GET answers, in from
files ("-" is standard input), one body a line, the same way as the webhooks do.
It opens the log itself, or goes through the ledger that is running on the data
directory, and returns when the views show everything. Doing it again, also
after a kill, changes nothing.

The last line on standard output counts every line once; blank lines are none.
The exit code is 0 unless something failed, which stops no other line. A line
about an order that this version of the program cannot read has failed and is
in quarantine; take it in again with a version that can.`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, files []string) error {
			if !slices.Contains(config.Gateways(), f.gateway) {
				return &exitError{code: exitUsage, err: fmt.Errorf("--gateway is one of %s", strings.Join(config.Gateways(), ", "))}
			}
			return c.runIngest(cmd.Context(), f, files)
		},
	}
	cmd.Flags().StringVar(&f.gateway, "gateway", "", "whose bodies they are")
	cmd.Flags().StringVar(&f.account, "account", config.DefaultAccount, "account that they belong to")
	cmd.Flags().DurationVar(&f.viewsWait, "views-wait", 10*time.Minute,
		"how long to wait for the views at the end; what was taken in is durable before")
	return cmd
}

func (c *cli) runIngest(ctx context.Context, f ingestFlags, files []string) error {
	in, err := openFiles(ctx, c.io.in, files)
	if err != nil {
		return err
	}
	defer in.close()
	var summary bulk.Summary
	if running := c.runningLedger(); running != "" {
		summary, err = c.ingestThrough(ctx, running, f, in)
	} else {
		summary, err = c.ingestHere(ctx, f, in)
	}
	var views *viewsError
	if err != nil && !errors.As(err, &views) {
		if ctx.Err() != nil {
			return fmt.Errorf("stopped after %s; doing it again takes in the rest", summary)
		}
		return c.explain(err)
	}
	if c.json {
		if err := json.NewEncoder(c.io.out).Encode(summary); err != nil {
			return err
		}
	} else if _, err := fmt.Fprintln(c.io.out, summary); err != nil {
		return err
	}
	if views != nil {
		return views
	}
	if summary.Failed > 0 {
		return fmt.Errorf("%d notifications failed, the first because: %s", summary.Failed, summary.FirstFailure)
	}
	return nil
}

// viewsError says that everything is stored, but not shown.
type viewsError struct{ cause error }

func (e *viewsError) Error() string {
	text := "everything is stored, but the views are not up to date: " + e.cause.Error()
	var stale *projections.StaleError
	if errors.As(e.cause, &stale) {
		text += "; run `ledger rebuild`"
	}
	return text
}
func (e *viewsError) Unwrap() error { return e.cause }

// ingestHere opens the log, takes everything in and projects it.
func (c *cli) ingestHere(ctx context.Context, f ingestFlags, in *input) (summary bulk.Summary, err error) {
	limitMemory()
	logger := c.logger(slog.LevelWarn)
	c.settings.Offline = true
	ledger, err := app.Open(ctx, c.settings, logger, func(string) {})
	if err != nil {
		return summary, err
	}
	defer func() { err = errors.Join(err, ledger.Close()) }()
	if _, ok := ledger.Accounts.Find(f.gateway, f.account); !ok {
		return summary, fmt.Errorf("there is no account %s of gateway %s in the configuration", f.account, f.gateway)
	}
	runCtx, stop := context.WithCancel(ctx)
	ran := make(chan error, 1)
	go func() { ran <- ledger.Run(runCtx) }()
	defer func() {
		stop()
		var behind *viewsError
		if runErr := <-ran; runErr != nil && (err == nil || errors.As(err, &behind)) {
			err = &viewsError{cause: runErr} // the reason why the wait ended
		}
	}()
	bar := c.ingestBar(ctx, in)
	source := bulk.Source{Gateway: f.gateway, Account: f.account, Verified: "import"}
	began := time.Now()
	summary, err = bulk.Ingest(ctx, ledger.Intake, source, bar.reader(in))
	bar.end()
	if err != nil {
		return summary, err
	}
	stored := time.Now()
	summary.Seconds = stored.Sub(began).Seconds()
	waitCtx, cancel := context.WithTimeoutCause(runCtx, f.viewsWait, errors.New("the views did not get there in time"))
	defer cancel()
	go func() { // a projector that gave up ends the wait
		select {
		case runErr := <-ran:
			ran <- runErr
			cancel()
		case <-waitCtx.Done():
		}
	}()
	target, ok, err := c.target(ctx, ledger, summary)
	if err != nil || !ok {
		return summary, err
	}
	if err := ledger.WaitForViews(waitCtx, target); err != nil && ctx.Err() == nil {
		return summary, &viewsError{cause: err}
	}
	summary.ViewsSeconds = time.Since(stored).Seconds()
	return summary, ctx.Err()
}

// target is the position that the views must reach: what was written now, or,
// after a run that only found duplicates, what was in the log before.
func (c *cli) target(ctx context.Context, l *app.Ledger, s bulk.Summary) (eventstore.Position, bool, error) {
	if s.Last != (eventstore.Position{}) {
		return s.Last, true, nil
	}
	return l.LastProjected(ctx)
}

// ingestThrough sends everything to the ledger that holds the log.
func (c *cli) ingestThrough(ctx context.Context, url string, f ingestFlags, in *input) (bulk.Summary, error) {
	token, err := os.ReadFile(c.settings.TokenFile())
	if err != nil {
		return bulk.Summary{}, fmt.Errorf("a ledger is running at %s, and its token cannot be read: %w", url, err)
	}
	bar := c.ingestBar(ctx, in)
	defer bar.end()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url+"/ingest/"+f.gateway+"/"+f.account+"?views_wait="+f.viewsWait.String(), io.NopCloser(bar.reader(in)))
	if err != nil {
		return bulk.Summary{}, err
	}
	req.Header.Set("Authorization", "Bearer "+string(token))
	req.Header.Set("Content-Type", "application/x-ndjson")
	answer, err := c.httpClient().Do(req)
	if err != nil {
		return bulk.Summary{}, fmt.Errorf("the running ledger at %s broke off, what it took in stays; run this again, which changes nothing twice: %w", url, err)
	}
	defer func() { _ = answer.Body.Close() }()
	if answer.StatusCode != http.StatusOK {
		var p web.Problem
		_ = json.NewDecoder(io.LimitReader(answer.Body, 1<<16)).Decode(&p)
		return bulk.Summary{}, fmt.Errorf("the running ledger at %s answered %s: %s", url, answer.Status, p.Detail)
	}
	var result web.IngestAnswer
	if err := json.NewDecoder(answer.Body).Decode(&result); err != nil {
		return bulk.Summary{}, fmt.Errorf("read the answer of the running ledger: %w", err)
	}
	if !result.Views {
		c.say("everything is stored; the views follow")
	}
	return result.Summary, nil
}

// input is the concatenation of the files.
type input struct {
	io.Reader
	files []*os.File
	// bytes is the size of all files, 0 when it cannot be known.
	bytes int64
}

func openFiles(ctx context.Context, stdin io.Reader, names []string) (*input, error) {
	in := &input{}
	var readers []io.Reader
	known := true
	for _, name := range names {
		if name == "-" {
			readers, known = append(readers, interruptible(ctx, stdin)), false
			continue
		}
		f, err := os.Open(name)
		if err != nil {
			in.close()
			return nil, fmt.Errorf("read notifications: %w", err)
		}
		in.files = append(in.files, f)
		if st, err := f.Stat(); err == nil && st.Mode().IsRegular() {
			in.bytes += st.Size()
		} else {
			known = false
		}
		// A file may lack the end of its last line.
		readers = append(readers, f, strings.NewReader("\n"))
	}
	if !known {
		in.bytes = 0
	}
	in.Reader = io.MultiReader(readers...)
	return in, nil
}

// interruptible lets a read end with ctx that would wait for what nobody types
// or sends.
func interruptible(ctx context.Context, in io.Reader) io.Reader {
	out, feed := io.Pipe()
	context.AfterFunc(ctx, func() { _ = feed.CloseWithError(context.Cause(ctx)) })
	go func() { // nothing can end a read of a terminal: this ends with the input, or with the process
		_, err := io.Copy(feed, in)
		_ = feed.CloseWithError(err)
	}()
	return out
}

func (in *input) close() {
	for _, f := range in.files {
		_ = f.Close()
	}
}

func (c *cli) ingestBar(ctx context.Context, in *input) bar {
	const width = 48
	return c.newBar(ctx, mpb.BarStyle(), width, in.bytes,
		mpb.PrependDecorators(decor.Name("taking in  "), decor.CountersKibiByte("% .1f / % .1f")),
		mpb.AppendDecorators(decor.Percentage(decor.WC{W: 5}), decor.Name("  "), decor.AverageSpeed(decor.SizeB1024(0), "% .1f"),
			decor.Name("  "), decor.AverageETA(decor.ET_STYLE_GO)))
}
