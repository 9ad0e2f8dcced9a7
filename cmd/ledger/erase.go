package main

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"

	"github.com/order-ledger/order-ledger/cmd/internal/app"
	"github.com/order-ledger/order-ledger/cmd/internal/config"
	"github.com/order-ledger/order-ledger/commands"
	"github.com/order-ledger/order-ledger/commands/privacy"
	"github.com/order-ledger/order-ledger/projections/refold"
)

func (c *cli) erase() *cobra.Command {
	var request app.EraseRequest
	cmd := &cobra.Command{
		Example: `  ledger erase SO-2026-000417 --actor kim
  ledger erase --subject kim@shop.example --exports /exports --actor kim`,
		Use:   "erase ORDER | --subject TEXT",
		Short: "Make the personal data of an order or a person unreadable for good",
		Long: `erase destroys the keys that personal data of an order is sealed under. What
was sealed can never be read again, in the log and in every backup of it (but
for older ones that hold keys in streams), and shows as [erased]; money and
history stay. Before that, the whole log and all
tables of the read models are searched for the data in clear, the exports that
the log knows where they are still there, and the folders of --exports. A
receipt, signed with Ed25519, is appended to the order. The order may be named by our id, the
gateway's id, or the merchant's reference. --subject erases all orders whose
sealed data holds a text, such as an e-mail address. With the ledger running, it
works inside of that one. Exit code 4 when data in clear was found.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				request.Order = args[0]
			}
			for i, dir := range request.Exports {
				absolute, err := filepath.Abs(dir)
				if err != nil {
					return err
				}
				request.Exports[i] = absolute
			}
			if err := request.Validate(); err != nil {
				return &exitError{code: exitUsage, err: err}
			}
			answer, err := c.runErase(cmd.Context(), request)
			if err != nil {
				return err
			}
			return c.showErasures(answer)
		},
	}
	cmd.Flags().StringVar(&request.Actor, "actor", "", "who erases; recorded in the receipt")
	cmd.Flags().StringVar(&request.Subject, "subject", "", "erase all orders whose sealed data holds this text, in any case")
	cmd.Flags().StringArrayVar(&request.Exports, "exports", nil, "folder on the ledger's machine whose files are searched too; may be given several times")
	cmd.Flags().StringVar(&c.settings.MasterKey, "master-key", c.env("LEDGER_MASTER_KEY"),
		"master key of personal data: env:NAME or file:PATH of 32 bytes in base64; empty uses DATA-DIR/keys/master.key [LEDGER_MASTER_KEY]")
	return cmd
}

func (c *cli) runErase(ctx context.Context, request app.EraseRequest) (app.EraseAnswer, error) {
	var answer app.EraseAnswer
	if url := c.runningLedger(); url != "" {
		return answer, c.ask(ctx, http.MethodPost, url+"/erase", request, &answer)
	}
	run := func(ctx context.Context, log *app.Store, accounts config.Accounts, rows privacy.Rows) error {
		var err error
		intake := commands.NewIntake(commands.IntakeConfig{Log: log})
		if answer, err = request.Run(ctx, c.settings, log, intake, accounts, rows); err == nil {
			err = log.FinishErasure(ctx)
		}
		if errors.Is(err, refold.ErrNotFound) {
			return &exitError{code: exitNotFound, err: err}
		}
		return err
	}
	if !c.hasDatabase() { // there are no views that could hold anything
		return answer, c.withLog(func(log *app.Store, accounts config.Accounts) error { return run(ctx, log, accounts, nil) })
	}
	return answer, c.withBoth(ctx, func(ctx context.Context, log *app.Store, accounts config.Accounts, conn *pgx.Conn) error {
		return run(ctx, log, accounts, app.RowSearch{DB: conn})
	})
}

func (c *cli) showErasures(a app.EraseAnswer) error {
	leftovers, unread, lost, hidden := 0, 0, 0, 0
	for i := range a.Receipts {
		leftovers += len(a.Receipts[i].Leftovers)
		unread += len(a.Receipts[i].Unread)
		lost += a.Receipts[i].Lost
		hidden += a.Receipts[i].Hidden
	}
	if c.json {
		if err := c.printJSON(a); err != nil {
			return err
		}
	} else {
		for i := range a.Receipts {
			r := &a.Receipts[i]
			t := c.newTable("erased", r.OrderID)
			t.AppendRows([]table.Row{
				{"at", r.ErasedAt.Format(time.RFC3339)}, {"by", r.Actor}, {"sealed values that nobody can read any more", r.Tokens},
				{"events searched for the data in clear", r.EventsScanned}, {"rows of the read models searched", r.RowsScanned},
				{"files of exports searched", r.FilesScanned},
			})
			if r.Lost > 0 {
				t.AppendRow(table.Row{"of them not searched for, as their keys were lost", r.Lost})
			}
			for _, l := range r.Leftovers {
				where := fmt.Sprintf("%s revision %d", l.Stream, l.Revision)
				switch {
				case l.Table != "":
					where = fmt.Sprintf("%d rows of %s", l.Rows, l.Table)
				case l.File != "":
					where = l.File
				}
				t.AppendRow(table.Row{"STILL IN CLEAR", where})
			}
			for _, file := range r.OutOfReach {
				t.AppendRow(table.Row{"exported, and out of reach", file})
			}
			for _, file := range r.Unread {
				t.AppendRow(table.Row{"NOT READ", file})
			}
			t.Render()
		}
		if hidden > 0 && c.settings.EventStore != config.Embedded {
			c.say("%d destroyed keys are in files of the event store, wrapped, until it is scavenged: start that there", hidden)
		}
		c.say("%d orders erased; public key of the receipts (Ed25519): %s", len(a.Receipts), base64.StdEncoding.EncodeToString(a.PublicKey))
	}
	if len(a.Lost) > 0 {
		return &exitError{code: exitDiffers, err: fmt.Errorf("the keys of %d orders are lost or damaged, and nobody can tell whose they are: %s",
			len(a.Lost), strings.Join(a.Lost, ", "))}
	}
	if lost > 0 {
		return &exitError{code: exitDiffers, err: fmt.Errorf("the keys of %d values are not here or damaged: where they still may be, as on another machine, erase again", lost)}
	}
	if leftovers > 0 {
		return &exitError{code: exitDiffers, err: fmt.Errorf("the data stands in clear in %d places", leftovers)}
	}
	if unread > 0 {
		return &exitError{code: exitDiffers, err: fmt.Errorf("%d files could not be looked through", unread)}
	}
	return nil
}
