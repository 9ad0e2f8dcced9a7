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
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"

	"github.com/order-ledger/order-ledger/cmd/internal/app"
	"github.com/order-ledger/order-ledger/cmd/internal/config"
	"github.com/order-ledger/order-ledger/cmd/internal/web"
	"github.com/order-ledger/order-ledger/projections"
	"github.com/order-ledger/order-ledger/projections/checkpoint"
	"github.com/order-ledger/order-ledger/projections/fingerprint"
)

// statusTimeout bounds each question that status asks.
const statusTimeout = 5 * time.Second

// statusReport is what `ledger status` prints.
type statusReport struct {
	Engine  string `json:"event_store"`
	Running bool   `json:"running"`
	PID     int    `json:"pid,omitempty"`
	URL     string `json:"url,omitempty"`
	// Log is where the log ends, Views where the views stand.
	Log   string `json:"log_position"`
	Views string `json:"views_position"`
	// LogError says why the log cannot be read.
	LogError string `json:"log_error,omitempty"`
	Parked   int    `json:"parked_orders"`
	// RebuildNeeded tells how the program that made the views differs from this one.
	RebuildNeeded []fingerprint.Change `json:"rebuild_needed,omitempty"`
	Database      string               `json:"database"`
	// DatabaseError says why the database is unreachable.
	DatabaseError string      `json:"database_error,omitempty"`
	Health        *web.Health `json:"health,omitempty"`
}

func (c *cli) status() *cobra.Command {
	return &cobra.Command{
		Example: `  ledger status
  ledger status --json`,
		Use: "status", Short: "Where the log and the views stand, and who is running",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			report, err := c.report(cmd.Context(), cmd.Flags().Changed("http") || c.env("LEDGER_HTTP") != "")
			if c.json {
				return errors.Join(err, c.printJSON(report))
			}
			running := "no"
			if report.Running {
				running = strings.TrimSpace(processText(report.PID) + " " + atText(report.URL))
			}
			t := c.newTable()
			t.AppendRows([]table.Row{
				{"event store", report.Engine}, {"running", running}, {"log ends at", report.Log}, {"views stand at", report.Views},
				{"parked orders", report.Parked}, {"database", report.Database},
			})
			if report.Health != nil {
				t.AppendRow(table.Row{"differ from the log", fmt.Sprintf("%d orders, %d other streams", report.Health.Drifted, report.Health.DriftedOthers)})
			}
			if report.Health != nil && report.Health.Webhooks != nil {
				t.AppendRow(table.Row{"outgoing webhooks", webhooksLine(report.Health.Webhooks)})
			}
			if report.Health != nil {
				t.AppendRow(table.Row{"health", report.Health.Status})
				t.AppendRows(freshnessRows(report.Health.Freshness))
			}
			t.Render()
			if report.Health != nil && report.Health.Status != "ready" && report.Health.LastError != "" {
				c.say("%s: %s", strings.ToUpper(report.Health.Status), report.Health.LastError)
			}
			if len(report.RebuildNeeded) > 0 {
				c.say("REBUILD NEEDED (ledger rebuild): the views were made by another version of the ledger: %s", fingerprint.Describe(report.RebuildNeeded))
			}
			if report.Health != nil && report.Health.Webhooks != nil && report.Health.Webhooks.Trouble != "" {
				c.say("WEBHOOKS: %s", report.Health.Webhooks.Trouble)
			}
			if report.DatabaseError != "" {
				c.say("DATABASE: %s", report.DatabaseError)
			}
			return err
		},
	}
}

func processText(pid int) string {
	if pid == 0 {
		return ""
	}
	return fmt.Sprintf("process %d", pid)
}

func atText(url string) string {
	if url == "" {
		return ""
	}
	return "at " + url
}

func freshnessRows(f *web.Freshness) []table.Row {
	if f == nil {
		return []table.Row{{"commit to visible", "not measured: --canary is 0"}}
	}
	return []table.Row{{"age of the views", (time.Duration(f.Age) * time.Millisecond).String()}, {"commit to visible", visibleLine(f)}}
}

func visibleLine(f *web.Freshness) string {
	if f.Samples == 0 {
		return "not measured yet"
	}
	return fmt.Sprintf("p50 %s, p99 %s, of the last %d canaries", visibleText(f.P50), visibleText(f.P99), f.Samples)
}

func visibleText(milliseconds float64) string {
	if milliseconds < 1000 {
		return fmt.Sprintf("%.1f ms", milliseconds)
	}
	return fmt.Sprintf("%.1f s", milliseconds/1000)
}

func webhooksLine(w *web.WebhooksHealth) string {
	line := fmt.Sprintf("%d subscribers, %d deliveries wait", w.Subscribers, w.Waiting)
	if w.Waiting > 0 {
		line += fmt.Sprintf(", the oldest for %s", time.Duration(w.OldestWaiting*float64(time.Second)).Round(time.Second))
	}
	line += fmt.Sprintf(", %d dead letters", w.Dead)
	if len(w.Disabled) > 0 {
		line += ", disabled: " + strings.Join(w.Disabled, ", ")
	}
	if len(w.Held) > 0 {
		line += ", held back: " + strings.Join(w.Held, ", ")
	}
	return line
}

// report asks the log, the database and the running ledger; with an event store elsewhere also the one at --http, when that
// was given. The error is that of a log that cannot be read; the rest is told all the same.
func (c *cli) report(ctx context.Context, httpGiven bool) (statusReport, error) {
	r := statusReport{Engine: "embedded node in " + c.settings.EventsDir()}
	var alone *web.NodeHealth // of a node that runs alone
	var failed error
	if c.settings.EventStore != config.Embedded {
		r.Engine = "EventStoreDB" // the connection string may hold a password
		c.askElsewhere(ctx, &r, httpGiven)
	} else if h, held := c.holder(); held {
		r.Running, r.PID, r.URL = true, h.pid, h.at()
		if h.ledger != "" {
			r.Health = askHealth[web.Health](ctx, c.httpClient(), h.ledger)
		} else if h.admin != "" {
			alone = askHealth[web.NodeHealth](ctx, http.DefaultClient, h.admin)
		}
	}
	if r.Health != nil {
		r.Log, r.Views, r.Parked, r.Database = r.Health.Log, r.Health.Views, r.Health.Parked, r.Health.Database
	} else if alone != nil {
		r.Log = alone.Log
	} else if r.Running && c.settings.EventStore == config.Embedded {
		failed = fmt.Errorf("process %d holds the event log and does not answer: it is another command at work (ingest, rebuild), starts, or is stuck; its log says more", r.PID)
		r.Log, r.LogError = "not known", failed.Error()
	} else if err := c.readHead(ctx, &r); err != nil {
		failed, r.Log, r.LogError = err, "not known", err.Error()
	}
	if !c.hasDatabase() {
		r.Views, r.Database = "none", "none yet"
		return r, failed
	}
	if err := c.readViews(ctx, &r); err != nil {
		if ctx.Err() != nil {
			return r, err
		}
		if r.Health == nil {
			r.Views = "not known"
		}
		r.Database, r.DatabaseError = "unreachable", err.Error()
	}
	return r, failed
}

// askElsewhere asks the ledger whose event store is elsewhere how it is: the one that serves with the data directory, or the
// one at --http.
func (c *cli) askElsewhere(ctx context.Context, r *statusReport, httpGiven bool) {
	if h, there := c.place(); there {
		r.Running, r.PID, r.URL = true, h.pid, h.at()
		r.Health = askHealth[web.Health](ctx, c.httpClient(), h.ledger)
	} else if httpGiven {
		if h := askHealth[web.Health](ctx, c.httpClient(), c.httpURL()); h != nil && h.Log != "" && h.Projector != "" { // others answer there, too
			r.Running, r.URL, r.Health = true, c.httpURL(), h
		}
	}
}

// readViews asks the database where the views stand.
func (c *cli) readViews(ctx context.Context, r *statusReport) error {
	return c.withDatabase(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		at, err := checkpoint.Read(ctx, conn)
		if err != nil {
			return err
		}
		var version string
		err = conn.QueryRow(ctx, `select (select count(*) from ledger.parked_orders), split_part(current_setting('server_version'), ' ', 1)`).Scan(&r.Parked, &version)
		if err != nil {
			return err
		}
		if r.RebuildNeeded, err = changedSince(ctx, conn); err != nil {
			return err
		}
		if r.Health == nil || r.Health.Views == "" { // else of the same moment as the end of the log
			r.Views = at.String()
		}
		r.Database = fmt.Sprintf("PostgreSQL %s at %s:%d", version, conn.Config().Host, conn.Config().Port)
		return nil
	})
}

// changedSince tells how the program that made the views differs from this one.
func changedSince(ctx context.Context, conn *pgx.Conn) ([]fingerprint.Change, error) {
	var stale *projections.StaleError
	if err := app.CheckRows(ctx, conn); errors.As(err, &stale) {
		return stale.Changed, nil
	} else if err != nil {
		return nil, err
	}
	return nil, nil
}

func (c *cli) readHead(ctx context.Context, r *statusReport) error {
	if c.settings.EventStore == config.Embedded {
		if _, err := os.Stat(c.settings.EventsDir()); errors.Is(err, os.ErrNotExist) {
			r.Log = "none"
			return nil
		}
	}
	store, err := app.OpenStore(c.settings, c.logger(slog.LevelWarn))
	if err != nil {
		return c.explain(err)
	}
	head, ok, err := store.Head(ctx)
	if r.Log = head.String(); !ok {
		r.Log = "none"
	}
	return errors.Join(c.explain(err), store.Close())
}

// askHealth asks a running ledger or node how it is; nil when it does not answer.
func askHealth[H web.Health | web.NodeHealth](ctx context.Context, client *http.Client, url string) *H {
	ctx, cancel := context.WithTimeout(ctx, statusTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/readyz", nil)
	if err != nil {
		return nil
	}
	answer, err := client.Do(req)
	if err != nil {
		return nil
	}
	defer func() { _ = answer.Body.Close() }()
	var h H
	if json.NewDecoder(io.LimitReader(answer.Body, 1<<16)).Decode(&h) != nil {
		return nil
	}
	return &h
}
