package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/order-ledger/order-ledger/cmd/internal/app"
	"github.com/order-ledger/order-ledger/cmd/internal/config"
	"github.com/order-ledger/order-ledger/commands/privacy"
)

func (c *cli) keys() *cobra.Command {
	cmd := &cobra.Command{Use: "keys", Short: "Copy the keys of personal data, and bring them back"}
	cmd.AddCommand(c.keysBackup(), c.keysRestore())
	return cmd
}

func (c *cli) keysBackup() *cobra.Command {
	return &cobra.Command{
		Use:   "backup DIR",
		Short: "Bring a copy of the keys of personal data up to date",
		Long: `backup copies the keys of personal data to DIR, wrapped as they are, while the
ledger runs. Keys that were destroyed are destroyed in DIR too: keep one copy,
bring it up to date often and after every erasure; an older generation would undo
it. Backups of the log hold only what these keys open, and may be many. The
master key is not copied; keep it elsewhere.`,
		Example: "  ledger keys backup /backups/keys",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if _, err := os.Stat(c.settings.KeysDir()); err != nil {
				return &exitError{code: exitNotFound, err: fmt.Errorf("there are no keys to back up: %w", err)}
			}
			done, err := privacy.Merge(cmd.Context(), c.settings.KeysDir(), args[0])
			if err != nil {
				return fmt.Errorf("back the keys up: %w", err)
			}
			if c.json {
				return c.printJSON(done)
			}
			c.say("%d files of keys copied to %s, %d keys destroyed there", done.Copied, args[0], done.Destroyed)
			return nil
		},
	}
}

func (c *cli) keysRestore() *cobra.Command {
	return &cobra.Command{
		Use:   "restore DIR",
		Short: "Bring keys of personal data back from a copy",
		Long: `restore brings back the keys that "ledger keys backup" copied to DIR. What is
destroyed here stays destroyed, and the keys of orders that the log says are
erased are destroyed again, however old the copy is. The ledger does not run
meanwhile; restore the log first.`,
		Example: "  ledger keys restore /backups/keys",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if held, err := privacy.HoldsKeys(args[0]); err != nil || !held { // of any version
				return &exitError{code: exitNotFound, err: errors.Join(fmt.Errorf("%s is no copy of keys", args[0]), err)}
			}
			var report struct {
				privacy.Merged

				Erased int `json:"orders_erased"`
			}
			err := c.withLog(func(log *app.Store, _ config.Accounts) (err error) {
				report.Merged, report.Erased, err = app.RestoreKeys(cmd.Context(), c.settings, log, args[0])
				return err
			})
			if err != nil {
				return fmt.Errorf("restore the keys: %w", err)
			}
			if c.json {
				return c.printJSON(report)
			}
			c.say("%d files of keys restored; %d orders of the log are erased, and stay so", report.Copied, report.Erased)
			return nil
		},
	}
}
