package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/spf13/cobra"

	"github.com/order-ledger/order-ledger/cmd/internal/app"
	"github.com/order-ledger/order-ledger/cmd/internal/config"
	"github.com/order-ledger/order-ledger/cmd/internal/web"
	"github.com/order-ledger/order-ledger/commands/statements"
	"github.com/order-ledger/order-ledger/projections/reports"
)

func (c *cli) reconcile() *cobra.Command {
	parent := &cobra.Command{
		Use:   "reconcile",
		Short: "Statements of gateways and banks: import, match, report",
		Long: `A statement is a settlement report of a gateway or a bank statement: CSV, read by a
mapping that says what stands where, or ISO 20022 camt.053 and camt.054. It is
taken in as a whole or refused as a whole; the same statement again, under
whatever name, changes nothing. What its lines match is booked and recorded on
the orders, what does not agree is in the report.`,
	}
	parent.AddCommand(c.reconcileImport(), c.reconcileMatch(), c.reconcileRelease(), c.reconcileReport())
	return parent
}

func (c *cli) reconcileImport() *cobra.Command {
	var request app.StatementRequest
	var mapping string
	cmd := &cobra.Command{
		Example: `  ledger reconcile import october.csv --mapping decta.yaml --account shop-eu --actor kim
  ledger reconcile import bank.camt053.xml --actor kim`,
		Use:   "import FILE --mapping FILE --account A --actor WHO",
		Short: "Take a statement in and match its lines",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			info, err := os.Stat(args[0])
			if err != nil {
				return fmt.Errorf("open the statement: %w", err)
			}
			if info.Size() > statements.FileBytesMax {
				return &exitError{code: exitUsage, err: fmt.Errorf("%s has %d bytes, more than %d", args[0], info.Size(), statements.FileBytesMax)}
			}
			if request.Content, err = os.ReadFile(args[0]); err != nil {
				return fmt.Errorf("read the statement: %w", err)
			}
			if mapping != "" {
				content, err := os.ReadFile(mapping)
				if err != nil {
					return fmt.Errorf("read the mapping: %w", err)
				}
				request.Mapping = string(content)
			}
			request.Name = args[0]
			return c.settle(cmd.Context(), "/reconciliation/statements", request, func(ctx context.Context, l *app.Ledger) (app.StatementAnswer, error) {
				return l.ImportStatement(ctx, request)
			})
		},
	}
	cmd.Flags().StringVar(&mapping, "mapping", "", "YAML file that says how the statement is read; camt needs none")
	cmd.Flags().StringVar(&request.Gateway, "gateway", "", "whose payments it is about, unless the mapping says")
	cmd.Flags().StringVar(&request.Account, "account", config.DefaultAccount, "account at the gateway")
	cmd.Flags().StringVar(&request.Actor, "actor", "", "who imports it")
	return cmd
}

func (c *cli) reconcileMatch() *cobra.Command {
	var request web.MatchRequest
	cmd := &cobra.Command{
		Example: `  ledger reconcile match STATEMENT-ID --actor kim`,
		Use:     "match STATEMENT --actor WHO",
		Short:   "Look at the lines of a statement again that do not match, as more may be known by now",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.settle(cmd.Context(), "/reconciliation/statements/"+pathSegment(args[0])+"/match", request,
				func(ctx context.Context, l *app.Ledger) (app.StatementAnswer, error) {
					return l.MatchStatement(ctx, args[0], request.Actor)
				})
		},
	}
	cmd.Flags().StringVar(&request.Actor, "actor", "", "who asks for it")
	return cmd
}

func (c *cli) reconcileRelease() *cobra.Command {
	var request app.ReleaseRequest
	var two tokenFiles
	cmd := &cobra.Command{
		Example: `  ledger reconcile release 013bfeff6dfa30918c2667ec09881455 7 --to 5900 --reason "letter of 5 Nov" --token-file kim --approver-token-file ann`,
		Use:     "release STATEMENT LINE --to ACCOUNT --reason WHY",
		Short:   "Take a line out of suspense that nothing will ever match: takes two people",
		Long: `release moves what a line put into suspense (9900) to the account that two people
say it belongs to: 1105, 1110, 5200, 5210 or 5900. It is for good: the line matches
nothing any more. What belongs to an order is corrected there first; money that came
outside the gateway is received on its order, and released to 1110. It works inside
of the running ledger.`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			var err error
			if request.Tokens, err = two.read("releasing a line from suspense"); err != nil {
				return err
			}
			running := c.runningLedger()
			if running == "" {
				return fmt.Errorf("no ledger runs on %s: start one with `ledger serve`, which knows whose the tokens are", c.settings.DataDir)
			}
			var answer app.ReleaseAnswer
			path := running + "/reconciliation/statements/" + pathSegment(args[0]) + "/lines/" + url.PathEscape(args[1]) + "/release"
			if err := c.ask(cmd.Context(), http.MethodPost, path, request, &answer); err != nil {
				return err
			}
			if c.json {
				return c.printJSON(answer)
			}
			if !answer.Views {
				c.say("everything is stored; the views follow")
			}
			_, err = fmt.Fprintf(c.io.out, "statement %s: line %d is released to %s by %s, approved by %s\n", answer.StatementID, answer.Line, answer.To, answer.Actor, answer.Approver)
			return err
		},
	}
	cmd.Flags().StringVar(&request.To, "to", "", "account that it goes to: 1105, 1110, 5200, 5210 or 5900")
	cmd.Flags().StringVar(&request.Reason, "reason", "", "why")
	two.flags(cmd)
	return cmd
}

// settle asks the ledger that is running, or does it on the log itself.
func (c *cli) settle(ctx context.Context, path string, request any, here func(context.Context, *app.Ledger) (app.StatementAnswer, error)) error {
	var answer app.StatementAnswer
	var err error
	if running := c.runningLedger(); running != "" {
		err = c.ask(ctx, http.MethodPost, running+path, request, &answer)
	} else {
		answer, err = c.settleHere(ctx, here)
	}
	if err != nil {
		return err
	}
	if c.json {
		return c.printJSON(answer)
	}
	if answer.Known {
		c.say("nothing new: the statement is known as it is")
	}
	if !answer.Views {
		c.say("everything is stored; the views follow")
	}
	_, err = fmt.Fprintf(c.io.out, "statement %s: lines %d, matched %d, mismatched %d, unmatched %d, payouts %d\n",
		answer.StatementID, answer.Lines, answer.Matched, answer.Mismatched, answer.Unmatched, answer.Payouts)
	return err
}

// settleHere opens the log, and projects until the views show what was written.
func (c *cli) settleHere(ctx context.Context, do func(context.Context, *app.Ledger) (app.StatementAnswer, error)) (answer app.StatementAnswer, err error) {
	c.settings.Offline = true
	ledger, err := app.Open(ctx, c.settings, c.logger(slog.LevelWarn), func(string) {})
	if err != nil {
		return answer, c.explain(err)
	}
	defer func() { err = errors.Join(err, ledger.Close()) }()
	ctx, stop := context.WithCancel(ctx)
	ran := make(chan error, 1)
	go func() { ran <- ledger.Run(ctx) }()
	defer func() {
		stop()
		err = errors.Join(err, <-ran)
	}()
	return do(ctx, ledger)
}

func (c *cli) reconcileReport() *cobra.Command {
	asked := map[string]*string{}
	cmd := &cobra.Command{
		Example: `  ledger reconcile report --as-at 2026-10-31`,
		Use:     "report",
		Short:   "What matches, what differs, and what one side alone knows of",
		Long: `report shows, from the views: lines of statements summed up; those that do not
match, each with the reason; payouts on either side; what our books have and no
statement shows; and orders whose gateway reports another state than ours.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			params, err := reports.ParseParams(func(name string) string {
				if asked[name] != nil {
					return *asked[name]
				}
				return ""
			}, time.Now())
			if err != nil {
				return &exitError{code: exitUsage, err: err}
			}
			return c.runReconciliation(cmd.Context(), params)
		},
	}
	for name, usage := range map[string]string{
		"as_of": "what was known then: a time, or a date, which is its end (UTC)", "as_at": "what had happened by this day",
		"source": "this gateway only", "source_account": "this account at the gateway only",
	} {
		asked[name] = cmd.Flags().String(strings.ReplaceAll(name, "_", "-"), "", usage)
	}
	return cmd
}

func (c *cli) runReconciliation(ctx context.Context, params reports.Params) error {
	var answer web.ReconciliationAnswer
	err := c.snapshot(ctx, func(ctx context.Context, tx pgx.Tx) error {
		var err error
		answer.Reports, err = app.Reconciliation(ctx, tx, params)
		return err
	})
	switch {
	case err != nil:
		return err
	case c.json:
		return c.printJSON(answer)
	}
	for _, t := range answer.Reports {
		c.showTable(t)
	}
	return nil
}
