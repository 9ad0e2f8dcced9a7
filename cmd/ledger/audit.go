package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/jackc/pgx/v5"
	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"

	"github.com/order-ledger/order-ledger/cmd/internal/app"
	"github.com/order-ledger/order-ledger/cmd/internal/config"
	"github.com/order-ledger/order-ledger/projections/audit"
	"github.com/order-ledger/order-ledger/projections/refold"
)

func (c *cli) audit() *cobra.Command {
	var request app.AuditRequest
	cmd := &cobra.Command{
		Example: `  ledger audit --all
  ledger audit --orders SO-2026-000417,SO-2026-000418 --heal
  ledger audit --sample 500 --seed monday`,
		Use:   "audit --orders ID,… | --sample N | --all",
		Short: "Compare the views with the log, order by order",
		Long: `audit folds orders again from the event log, with nothing shared with what wrote
the views, and compares every column, the audit trail included, at the position
that the views stand at. The exit code is 4 when something differs.

--heal writes the rows of an order that differs again from the log, in one
transaction, and audits it once more; the exit code is then 0.

A running ledger audits all the time by itself: see /metrics, ledger_audit_….`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := request.Validate(); err != nil {
				return &exitError{code: exitUsage, err: fmt.Errorf("%w: --orders, --sample or --all", err)}
			}
			report, err := c.runAudit(cmd.Context(), request)
			if err != nil {
				return err
			}
			if err := c.showAudit(report); err != nil {
				return err
			}
			return auditVerdict(request, report)
		},
	}
	cmd.Flags().StringSliceVar(&request.Orders, "orders", nil, "orders, by any of their ids or references")
	cmd.Flags().IntVar(&request.Sample, "sample", 0, "how many orders to choose at random")
	cmd.Flags().StringVar(&request.Seed, "seed", "", "chooses the sample: the same seed chooses the same orders; without one they are others each time")
	cmd.Flags().BoolVar(&request.All, "all", false, "everything: all orders, those that only the log knows included, and what belongs to none")
	cmd.Flags().BoolVar(&request.Heal, "heal", false, "write the rows of orders that differ again from the log")
	return cmd
}

// auditVerdict is an error when something still differs.
func auditVerdict(request app.AuditRequest, r audit.Report) error {
	if r.Drifted <= r.Healed {
		return nil
	}
	looked := counted(r.Orders, "order")
	if request.All {
		looked += " and what belongs to none"
	}
	return &exitError{code: exitDiffers, err: fmt.Errorf("%d differ from the log, of %s", r.Drifted-r.Healed, looked)}
}

func (c *cli) runAudit(ctx context.Context, request app.AuditRequest) (report audit.Report, err error) {
	show := c.newAuditShow(ctx)
	defer func() {
		if err == nil {
			show.complete(auditComplete(&report))
		}
		show.end()
	}()
	if url := c.runningLedger(); url != "" {
		if request.All {
			return c.auditThrough(ctx, url, request, show)
		}
		err = c.ask(ctx, http.MethodPost, url+"/audit", request, &report)
		return report, err
	}
	err = c.withBoth(ctx, func(ctx context.Context, log *app.Store, accounts config.Accounts, conn *pgx.Conn) error {
		var err error
		report, err = request.Run(ctx, conn, log, accounts, show.progress)
		if errors.Is(err, refold.ErrNotFound) {
			return &exitError{code: exitNotFound, err: err}
		}
		return err
	})
	return report, err
}

func (c *cli) showAudit(r audit.Report) error {
	if c.json {
		return c.printJSON(r)
	}
	if len(r.Findings) > 0 {
		t := c.newTable("order", "field", "log", "views", "")
		for _, f := range r.Findings {
			healed := ""
			if f.Healed {
				healed = "healed"
			}
			for _, d := range f.Drift {
				log, views := shortenBoth(d.Log, d.Views)
				t.AppendRow(table.Row{f.OrderID, d.Field, log, views, healed})
			}
		}
		t.Render()
	}
	c.say("%s audited, %d differ, %d healed", counted(r.Orders, "order"), r.Drifted, r.Healed)
	return nil
}
