package main

import (
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"

	"github.com/order-ledger/order-ledger/cmd/internal/app"
	"github.com/order-ledger/order-ledger/cmd/internal/config"
	"github.com/order-ledger/order-ledger/commands"
	"github.com/order-ledger/order-ledger/commands/privacy"
	"github.com/order-ledger/order-ledger/domain/order"
)

func (c *cli) erase() *cobra.Command {
	var actor string
	cmd := &cobra.Command{
		Use:   "erase ORDER",
		Short: "Make the personal data of an order unreadable, for good",
		Long: `erase destroys the key that the personal data of an order is sealed under. What
was sealed can never be read again, in the log and in every backup of it, and
shows as [erased]; money and history stay. Before that, the whole log is
searched for the data in clear. A receipt, signed with Ed25519, is appended to
the order. The order may be named by our id, the gateway's id, or the
merchant's reference. The ledger must not be running. Exit code 4 when data in
clear was found.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if actor == "" {
				return &exitError{code: exitUsage, err: errors.New("say who erases: --actor NAME")}
			}
			return c.withLog(func(log *app.Store, accounts config.Accounts) error {
				stream, err := app.ResolveStream(cmd.Context(), log, accounts, args[0])
				if err != nil {
					return notInLog(err)
				}
				category, id, ok := order.ParseStreamName(stream)
				if !ok {
					return fmt.Errorf("%s is no order", stream)
				}
				vault, sign, err := app.OpenVault(c.settings)
				if err != nil {
					return err
				}
				eraser := &privacy.Eraser{
					Vault: vault, Log: log, Intake: commands.NewIntake(commands.IntakeConfig{Log: log}), Sign: sign, Clock: time.Now,
				}
				receipt, err := eraser.Erase(cmd.Context(), category, id, actor)
				if err != nil {
					return err
				}
				return c.showErasure(receipt, sign)
			})
		},
	}
	cmd.Flags().StringVar(&actor, "actor", "", "who erases; recorded in the receipt")
	cmd.Flags().StringVar(&c.settings.MasterKey, "master-key", c.env("LEDGER_MASTER_KEY"),
		"master key of personal data: env:NAME or file:PATH of 32 bytes in base64; empty uses DATA-DIR/keys/master.key [LEDGER_MASTER_KEY]")
	return cmd
}

func (c *cli) showErasure(r privacy.Receipt, sign ed25519.PrivateKey) error {
	public := base64.StdEncoding.EncodeToString(sign[ed25519.PrivateKeySize-ed25519.PublicKeySize:])
	if c.json {
		if err := c.printJSON(struct {
			privacy.Receipt
			PublicKey string `json:"public_key"`
		}{r, public}); err != nil {
			return err
		}
	} else {
		t := c.newTable("erased", r.OrderID)
		t.AppendRows([]table.Row{
			{"at", r.ErasedAt.Format(time.RFC3339)}, {"by", r.Actor}, {"sealed values that nobody can read any more", r.Tokens},
			{"events searched for the data in clear", r.EventsScanned}, {"public key of the receipt (Ed25519)", public},
		})
		for _, l := range r.Leftovers {
			t.AppendRow(table.Row{"STILL IN CLEAR", fmt.Sprintf("%s revision %d", l.Stream, l.Revision)})
		}
		t.Render()
	}
	if len(r.Leftovers) > 0 {
		return &exitError{code: exitDiffers, err: fmt.Errorf("%d events hold some of the data in clear", len(r.Leftovers))}
	}
	return nil
}
