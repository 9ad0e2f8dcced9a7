package main

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/spf13/cobra"
	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"github.com/order-ledger/order-ledger/cmd/internal/app"
	"github.com/order-ledger/order-ledger/cmd/internal/config"
	"github.com/order-ledger/order-ledger/cmd/internal/export"
	"github.com/order-ledger/order-ledger/projections/reports"
)

func (c *cli) export() *cobra.Command {
	parent := &cobra.Command{
		Use:   "export",
		Short: "Write journal, orders, history or trial balance to a signed file",
		Long: `export writes rows of the views to a file: csv, jsonl, parquet, xlsx, and the
journal as hledger or beancount. The same rows at the same place in the log are the
same bytes on any machine. FILE.manifest.json says what is in the file, is signed
(Ed25519, DATA-DIR/keys/export.key) and can be checked with ` + "`ledger export verify`" + `.
A journal whose opening balances and movements do not make its closing balances is
not written. An export of journal or history to csv or jsonl that was interrupted goes
on where it was when it is run again.
Each export is recorded in the log.`,
	}
	for what, short := range map[export.What]string{
		export.Journal: "Every posting", export.Orders: "Orders as they are", export.History: "Every event of every order",
		export.TrialBalance: "Balances and movements of every account",
	} {
		parent.AddCommand(c.exportOf(what, short))
	}
	parent.AddCommand(c.verifyExport(), c.exportKey())
	return parent
}

func (c *cli) exportOf(what export.What, short string) *cobra.Command {
	var format, out, views, actor string
	var lake lakeRun
	asked := map[string]*string{}
	cmd := &cobra.Command{
		Use: string(what) + " --out FILE", Short: short, Args: cobra.NoArgs,
		Example: exportExamples(what),
		RunE: func(cmd *cobra.Command, _ []string) error {
			job := export.Job{Spec: export.Spec{What: what, Views: views}, Out: out}
			var err error
			if job.Format, err = export.ParseFormat(format); err == nil {
				job.Params, err = reports.ParseParams(func(name string) string {
					if asked[name] == nil {
						return ""
					}
					return *asked[name]
				}, time.Now())
			}
			if err == nil {
				err = job.Validate()
			}
			switch {
			case err != nil:
			case lake.dir != "" && (what != export.History || job.Format != export.Parquet || out != ""):
				err = errors.New("a lake is of the history, in parquet, and without --out")
			case lake.dir != "" && actor != "":
				lake.actor = actor
				return c.runLake(cmd.Context(), lake)
			case out == "":
				err = errors.New("say where to: --out FILE")
			case actor == "":
				err = errors.New("say who exports: --actor NAME")
			case out == toStdout && c.json:
				err = errors.New("--json prints the manifest where --out - prints the file: choose one")
			}
			if err != nil {
				return &exitError{code: exitUsage, err: err}
			}
			if out == toStdout {
				return c.printExport(cmd.Context(), job, actor)
			}
			return c.runExport(cmd.Context(), job, actor, out)
		},
	}
	usages := map[string]string{"as_of": "what was known then: a time, or a date, which is its end (UTC)"}
	switch what {
	case export.Journal, export.TrialBalance:
		usages["period"], usages["from"], usages["through"] = "month of posting, like 2026-10", "first day of posting", "last day of posting"
		usages["as_at"], usages["entity"] = "what had happened by this day", "the books of this legal entity only"
	case export.History:
		usages["from"], usages["through"] = "first day of recording (UTC)", "last day of recording"
	case export.Orders:
		usages = nil
	}
	for name, usage := range usages {
		asked[name] = cmd.Flags().String(strings.ReplaceAll(name, "_", "-"), "", usage)
	}
	cmd.Flags().SetNormalizeFunc(throughIsTo)
	if what == export.TrialBalance {
		asked["memo"] = new(string)
		cmd.Flags().BoolFunc("memo", "with the accounts off the balance sheet", func(text string) error {
			*asked["memo"] = text
			return nil
		})
	}
	if what == export.History {
		lake.flags(cmd)
	}
	cmd.Flags().StringVar(&format, "format", "csv", "csv, jsonl, parquet or xlsx; the journal as hledger or beancount too")
	cmd.Flags().StringVar(&out, "out", "", "file to write, - for standard output")
	cmd.Flags().StringVar(&views, "views", "ledger", "schema of the views: that of a frozen copy (ledger rebuild --into) exports that moment")
	cmd.Flags().StringVar(&actor, "actor", c.env("USER"), "who exports; recorded")
	return cmd
}

func exportExamples(what export.What) string {
	switch what {
	case export.Journal:
		return `  ledger export journal --period 2026-10 --out 2026-10.csv --actor kim
  ledger export journal --period 2026-10 --format hledger --out 2026-10.hledger`
	case export.TrialBalance:
		return `  ledger export trial-balance --period 2026-10 --format xlsx --out 2026-10.xlsx`
	case export.History:
		return `  ledger export history --from 2026-10-01 --through 2026-10-31 --format jsonl --out 2026-10.jsonl
  ledger export history --format parquet --lake /lake`
	case export.Orders:
		return `  ledger export orders --format parquet --out orders.parquet`
	}
	return ""
}

// toStdout is the file name that means standard output.
const toStdout = "-"

// printExport exports to a temporary file first, so that nothing is printed of books that do not balance. The
// manifest is recorded only.
func (c *cli) printExport(ctx context.Context, job export.Job, actor string) error {
	dir, err := os.MkdirTemp("", "ledger-export-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	job.Out = filepath.Join(dir, string(job.What)+"."+string(job.Format))
	if err := c.runExport(ctx, job, actor, toStdout); err != nil {
		return err
	}
	file, err := os.Open(job.Out)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	_, err = io.Copy(c.fileOut(), file)
	return err
}

// runExport exports and records; out is where to in the words of the command line.
func (c *cli) runExport(ctx context.Context, job export.Job, actor, out string) error {
	if !c.hasDatabase() {
		return c.noViews()
	}
	var err error
	if job.Sign, err = app.ExportKey(c.settings); err != nil {
		return err
	}
	const width = 20
	bar := c.newBar(ctx, mpb.SpinnerStyle(), width, 0, mpb.PrependDecorators(decor.Name(string(job.What)+" ")), mpb.AppendDecorators(decor.CurrentNoUnit("%d rows")))
	defer bar.end()
	job.Said = bar.set
	var m export.Manifest
	err = c.withDatabase(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		if err := app.CheckRows(ctx, conn); err != nil {
			return err
		}
		var err error
		m, err = job.Run(ctx, conn)
		return err
	})
	if errors.Is(err, export.ErrOutOfBalance) {
		return &exitError{code: exitDiffers, err: err}
	}
	if err != nil {
		return err
	}
	if err := c.recordExport(ctx, m, actor, out, job.Sign); err != nil {
		return fmt.Errorf("%s is written, and not recorded: %w", job.Out, err)
	}
	if c.json {
		return c.printJSON(m)
	}
	c.say("%d rows, %d bytes, SHA-256 %s, up to position %d; signed by %s", m.Rows, m.Bytes, m.SHA256, m.Commit,
		m.PublicKey)
	return nil
}

// placeOf is where erasures find an export again, whatever the links on the way there lead to by then; empty for
// standard output.
func placeOf(out string) string {
	if out == toStdout {
		return ""
	}
	path, err := filepath.Abs(out)
	if err != nil { // the working directory is gone: the name of the file is in the manifest
		return ""
	}
	if real, err := filepath.EvalSymlinks(path); err == nil {
		return real
	}
	return path
}

// recordExport records in the log what was exported to out, through the ledger that is running.
func (c *cli) recordExport(ctx context.Context, manifest any, actor, out string, key ed25519.PrivateKey) error {
	text, err := json.Marshal(manifest)
	if err != nil {
		return err
	}
	produced := app.ExportProduced{Manifest: text, Actor: actor, Path: placeOf(out)}
	if running := c.runningLedger(); running != "" {
		return c.ask(ctx, http.MethodPost, running+"/exports", produced, &struct{}{})
	}
	return c.withLog(func(log *app.Store, _ config.Accounts) error {
		return app.RecordExport(ctx, log, app.PublicKey(key), produced, time.Now())
	})
}
