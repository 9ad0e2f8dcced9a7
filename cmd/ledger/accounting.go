package main

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/order-ledger/order-ledger/cmd/internal/app"
	"github.com/order-ledger/order-ledger/cmd/internal/config"
	"github.com/order-ledger/order-ledger/cmd/internal/reportpage"
	"github.com/order-ledger/order-ledger/cmd/internal/web"
	"github.com/order-ledger/order-ledger/domain/accounting"
	"github.com/order-ledger/order-ledger/projections/checkpoint"
	"github.com/order-ledger/order-ledger/projections/journal"
	"github.com/order-ledger/order-ledger/projections/reports"
)

func (c *cli) accountingReport() *cobra.Command {
	var names strings.Builder
	for _, r := range reports.All() {
		fmt.Fprintf(&names, "  %s\n%s\n", r.Name, hang("", r.Title, 6))
	}
	asked := map[string]*string{}
	var asCSV, byDay, memo bool
	var page string
	cmd := &cobra.Command{
		Example: `  ledger report trial-balance --period 2026-10
  ledger report refunds-outstanding --as-of 2026-10-31 --as-at 2026-10-31
  ledger report totals --daily --csv > totals.csv
  ledger report --html october.html --period 2026-10`,
		Use:   "report NAME | --html FILE",
		Short: "What accounting asks: trial balance, refunds, disputes, ageing, …",
		Long: `report answers from the views, with two clocks: --as-of is what was known at a
time, --as-at is what had happened by a day; both together are the state of that
day as it was known at that time.

` + names.String(),
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			var report reports.Report
			var err error
			switch {
			case (page == "") == (len(args) == 0):
				err = errors.New("say which report, or --html FILE; `ledger report --help` lists them")
			case page == "":
				report, err = reports.Find(args[0])
				if err != nil {
					err = fmt.Errorf("%w%s; `ledger report --help` lists them", err, didYouMean(args[0], reportNames()))
				}
			}
			if err != nil {
				return &exitError{code: exitUsage, err: err}
			}
			get := func(name string) string {
				switch {
				case name == "by" && byDay:
					return "day"
				case name == "memo" && memo:
					return "true"
				case asked[name] != nil:
					return *asked[name]
				}
				return ""
			}
			params, err := reports.ParseParams(get, time.Now())
			if err == nil && page == "" {
				err = reports.Refuse(get, report)
			}
			if err != nil {
				return &exitError{code: exitUsage, err: err}
			}
			if page != "" {
				return c.writePage(cmd.Context(), params, page)
			}
			return c.runReport(cmd.Context(), report, params, asCSV)
		},
	}
	for name, usage := range map[string]string{
		"as_of": "what was known then: a time, or a date, which is its end (UTC)", "as_at": "what had happened by this day",
		"period": "month of posting, like 2026-10", "from": "first day of posting", "through": "last day of posting",
		"known_from": "restatements: the earlier moment of knowledge", "source": "this gateway only", "up_to": "what stands in the log up to this commit position", "source_account": "this merchant account only",
		"entity": "the books of this legal entity only",
	} {
		asked[name] = cmd.Flags().String(strings.ReplaceAll(name, "_", "-"), "", usage)
	}
	cmd.Flags().SetNormalizeFunc(throughIsTo)
	cmd.Flags().BoolVar(&asCSV, "csv", false, "print CSV")
	cmd.Flags().StringVar(&page, "html", "", "write a page with pictures of all of them, for paper and screens")
	cmd.Flags().BoolVar(&byDay, "daily", false, "totals: by day instead of month")
	cmd.Flags().BoolVar(&memo, "memo", false, "trial balance: with the accounts off the balance sheet")
	return cmd
}

func reportNames() []string {
	var names []string
	for _, r := range reports.All() {
		names = append(names, r.Name)
	}
	return names
}

// throughIsTo lets people say --to for --through.
func throughIsTo(_ *pflag.FlagSet, name string) pflag.NormalizedName {
	if name == "to" {
		name = "through"
	}
	return pflag.NormalizedName(name)
}

func (c *cli) runReport(ctx context.Context, report reports.Report, params reports.Params, asCSV bool) error {
	if !c.hasDatabase() {
		return c.noViews()
	}
	var answer reports.Table
	err := c.withDatabase(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		if err := app.CheckRows(ctx, conn); err != nil {
			return err
		}
		var err error
		answer, err = report.Run(ctx, conn, params)
		return err
	})
	switch {
	case err != nil:
		return err
	case c.json:
		return c.printJSON(answer)
	case asCSV:
		return web.WriteCSV(csv.NewWriter(c.fileOut()), answer)
	}
	c.showTable(answer)
	return nil
}

// snapshot reads the views at one place in the log, when this version of the program made them.
func (c *cli) snapshot(ctx context.Context, read func(context.Context, pgx.Tx) error) error {
	if !c.hasDatabase() {
		return c.noViews()
	}
	return c.withDatabase(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		if err := app.CheckRows(ctx, conn); err != nil {
			return err
		}
		return pgx.BeginTxFunc(ctx, conn, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly},
			func(tx pgx.Tx) error { return read(ctx, tx) })
	})
}

// writePage writes the page with pictures.
func (c *cli) writePage(ctx context.Context, params reports.Params, file string) error {
	var page reportpage.Page
	err := c.snapshot(ctx, func(ctx context.Context, tx pgx.Tx) error {
		at, err := checkpoint.Read(ctx, tx)
		if err == nil {
			page, err = reportpage.Gather(ctx, tx, params, at.Position.String())
		}
		return err
	})
	if err != nil {
		return err
	}
	out, err := os.Create(file)
	if err != nil {
		return err
	}
	return errors.Join(reportpage.Write(out, page), out.Close())
}

func (c *cli) showTable(answer reports.Table) {
	header := make([]any, len(answer.Columns))
	for i, name := range answer.Columns {
		header[i] = strings.ReplaceAll(name, "_", " ")
	}
	t := c.newTable(header...)
	numbers := make([]bool, len(answer.Columns))
	for i := range numbers {
		numbers[i] = len(answer.Rows) > 0
	}
	for _, row := range answer.Rows {
		shown := make(table.Row, len(row))
		for i, v := range row {
			if v == nil {
				shown[i] = ""
				continue
			}
			shown[i] = *v
			numbers[i] = numbers[i] && strings.Trim(*v, "-.0123456789") == "" && strings.Contains(*v, ".")
		}
		t.AppendRow(shown)
	}
	var columns []table.ColumnConfig
	for i, is := range numbers {
		if is {
			columns = append(columns, table.ColumnConfig{Number: i + 1, Align: text.AlignRight})
		}
	}
	t.SetColumnConfigs(columns)
	t.Render()
	c.say("%d rows: %s", len(answer.Rows), answer.Title)
}

func (c *cli) auditPack() *cobra.Command {
	return &cobra.Command{
		Example: `  ledger audit-pack SO-2026-000417 > SO-2026-000417.json`,
		Use:     "audit-pack ORDER",
		Short:   "Everything about one order that an auditor asks for, as JSON",
		Long: `audit-pack prints every event with what it changed, the digests of what was
received, the journal's lines, the timelines of disputes, whether the views agree,
and one digest that chains all events: a later pack of the same order begins with
the same events, or something was changed. It needs no database.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if running := c.runningLedger(); running != "" {
				var pack json.RawMessage
				if err := c.ask(cmd.Context(), http.MethodGet, running+"/orders/"+pathSegment(args[0])+"/audit-pack", nil, &pack); err != nil {
					return err
				}
				return c.printJSON(pack)
			}
			return c.withLog(func(log *app.Store, accounts config.Accounts) error {
				stream, err := app.ResolveStream(cmd.Context(), log, accounts, args[0])
				if err != nil {
					return notInLog(err)
				}
				pack, err := app.PackOf(cmd.Context(), log, nil, stream)
				if err != nil {
					return err
				}
				return c.printJSON(pack)
			})
		},
	}
}

func (c *cli) period() *cobra.Command {
	var request app.PeriodRequest
	var two tokenFiles
	parent := &cobra.Command{
		Use:   "period",
		Short: "Months of the books: close, open again, list",
		Long: `A month that is closed stays as it is: what the ledger learns about it later is
posted in the first open month and marked late, and every replay does the same.
Closing a month closes all before it; opening one again opens all after it.
Close and reopen work inside of the running ledger.`,
	}
	change := func(use, short, example string, reopen bool) *cobra.Command {
		cmd := &cobra.Command{
			Use: use, Short: short, Args: cobra.ExactArgs(1), Example: example,
			RunE: func(cmd *cobra.Command, args []string) error {
				request.Period, request.Reopen = args[0], reopen
				if reopen {
					var err error
					if request.Tokens, err = two.read("opening a period again"); err != nil {
						return err
					}
				}
				running := c.runningLedger()
				if running == "" {
					return fmt.Errorf("no ledger runs on %s: start one with `ledger serve`, so that its trial balance is complete", c.settings.DataDir)
				}
				var answer app.PeriodAnswer
				if err := c.ask(cmd.Context(), http.MethodPost, running+"/periods", request, &answer); err != nil {
					return err
				}
				return c.showPeriod(answer)
			},
		}
		cmd.Flags().StringVar(&request.Entity, "entity", accounting.DefaultEntity, "whose books")
		if !reopen {
			cmd.Flags().StringVar(&request.Actor, "actor", "", "who does it")
		}
		parent.AddCommand(cmd)
		return cmd
	}
	change("close MONTH", "Close a month, and all before it, with the digest of its trial balance",
		`  ledger period close 2026-10 --actor kim`, false)
	reopen := change("reopen MONTH", "Open a month again, and all after it: takes two people",
		`  ledger period reopen 2026-10 --reason "fee of 31 Oct" --token-file kim --approver-token-file ann`, true)
	two.flags(reopen)
	reopen.Flags().StringVar(&request.Reason, "reason", "", "why")
	parent.AddCommand(&cobra.Command{
		Use: "list", Short: "What was closed and opened again, by whom", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return c.listPeriods(cmd.Context()) },
	}, &cobra.Command{
		Use: "verify", Short: "Compare every closed trial balance with the books as they are; exit code 4 when one changed", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return c.verifyPeriods(cmd.Context()) },
	})
	return parent
}

// tokenFiles are where two people keep their API tokens; a token on the command line would be in the
// shell's history.
type tokenFiles struct{ actor, approver string }

// flags are those that name the files.
func (f *tokenFiles) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.actor, "token-file", "", "file with the API token of the one who does it, with the scope operations")
	cmd.Flags().StringVar(&f.approver, "approver-token-file", "", "file with the API token of another person, who approves")
}

func (f *tokenFiles) read(what string) (*app.TwoTokens, error) {
	if f.actor == "" || f.approver == "" {
		return nil, fmt.Errorf("%s takes two people: --token-file and --approver-token-file", what)
	}
	var tokens app.TwoTokens
	for into, file := range map[*string]string{&tokens.Actor: f.actor, &tokens.Approver: f.approver} {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("read a token: %w", err)
		}
		*into = strings.TrimSpace(string(text))
	}
	return &tokens, nil
}

func (c *cli) showPeriod(a app.PeriodAnswer) error {
	if c.json {
		return c.printJSON(a)
	}
	if !a.Change.Closed {
		c.say("%s is open again, and all after it", a.Change.Period)
		return nil
	}
	t := c.newTable("currency", "source", "account", "", "opening", "debit", "credit", "closing")
	for i := range a.Trial {
		l := &a.Trial[i]
		t.AppendRow(table.Row{l.Currency, l.Source + "/" + l.SourceAccount, l.Account, l.Name, l.Opening, l.Debit, l.Credit, l.Closing})
	}
	t.Render()
	c.say("%s is closed; SHA-256 of its trial balance %s", a.Change.Period, a.Change.TrialBalanceSHA256)
	return nil
}

// knownPeriods reads what was done to the periods, from the running ledger or from the log.
func (c *cli) knownPeriods(ctx context.Context) ([]journal.Shown, error) {
	shown := []journal.Shown{}
	if running := c.runningLedger(); running != "" {
		var answer struct {
			Periods []journal.Shown `json:"periods"`
		}
		err := c.ask(ctx, http.MethodGet, running+"/periods", nil, &answer)
		return append(shown, answer.Periods...), err
	}
	err := c.withLog(func(log *app.Store, _ config.Accounts) error {
		found, err := app.Periods(ctx, log)
		shown = append(shown, found...)
		return err
	})
	return shown, err
}

// verifyPeriods compares what was closed with the books as they are.
func (c *cli) verifyPeriods(ctx context.Context) error {
	changes, err := c.knownPeriods(ctx)
	if err != nil {
		return err
	}
	var verdicts []app.PeriodVerdict
	err = c.snapshot(ctx, func(ctx context.Context, tx pgx.Tx) error {
		var err error
		verdicts, err = app.VerifyPeriods(ctx, tx, changes)
		return err
	})
	if err != nil {
		return err
	}
	changed := 0
	t := c.newTable("entity", "period", "closed", "by", "", "SHA-256 of the trial balance")
	for i := range verdicts {
		v := &verdicts[i]
		what := "holds"
		if !v.Holds {
			what = "CHANGED"
			changed++
		}
		t.AppendRow(table.Row{v.Change.Entity, v.Change.Period, v.Change.RecordedAt.Format("2006-01-02 15:04:05"), v.Change.Actor, what, v.TrialBalanceSHA256})
	}
	if c.json {
		err = c.printJSON(verdicts)
	} else {
		t.Render()
	}
	if err == nil && changed > 0 {
		err = &exitError{code: exitDiffers, err: fmt.Errorf("%d of %d closed trial balances are not what they were", changed, len(verdicts))}
	}
	return err
}

func (c *cli) listPeriods(ctx context.Context) error {
	shown, err := c.knownPeriods(ctx)
	if err != nil {
		return err
	}
	if c.json {
		return c.printJSON(shown)
	}
	t := c.newTable("entity", "period", "", "at", "by", "approved by", "why", "SHA-256 of the trial balance")
	for i := range shown {
		s := &shown[i]
		what := "reopened"
		if s.Closed {
			what = "closed"
		}
		t.AppendRow(table.Row{s.Entity, s.Period, what, s.RecordedAt.Format("2006-01-02 15:04:05"), s.Actor, s.Approver, s.Reason, s.TrialBalanceSHA256})
	}
	t.Render()
	return nil
}
