package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/order-ledger/order-ledger/cmd/internal/app"
	"github.com/order-ledger/order-ledger/cmd/internal/config"
	"github.com/order-ledger/order-ledger/cmd/internal/web"
	"github.com/order-ledger/order-ledger/commands/privacy"
)

func (c *cli) keys() *cobra.Command {
	cmd := &cobra.Command{Use: "keys", Short: "Copy the keys of personal data, bring them back, and move them"}
	cmd.AddCommand(c.keysBackup(), c.keysRestore(), c.keysMove())
	return cmd
}

func (c *cli) keysBackup() *cobra.Command {
	return &cobra.Command{
		Use:   "backup DIR",
		Short: "Bring a copy of the keys of personal data up to date",
		Long: `backup copies the keys of personal data to DIR, wrapped as they are, while the
ledger runs, from the folder and from streams of the event store. Keys that were destroyed are destroyed in DIR too: keep one copy,
bring it up to date often and after every erasure; an older generation would undo
it. Backups of the log hold only what these keys open, and may be many. The
master key is not copied; keep it elsewhere.`,
		Example: "  ledger keys backup /backups/keys",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			dir, err := filepath.Abs(args[0])
			if err != nil {
				return err
			}
			done, err := c.backUpKeys(cmd.Context(), dir)
			if errors.Is(err, app.ErrNoKeys) {
				return &exitError{code: exitNotFound, err: err}
			}
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

// backUpKeys asks the ledger that holds the embedded log, or opens the log. Without one there are keys in a folder only.
func (c *cli) backUpKeys(ctx context.Context, dir string) (done privacy.Merged, err error) {
	h, held := c.holder()
	if h.ledger != "" {
		return done, c.ask(ctx, http.MethodPost, h.ledger+"/keys/backup", web.KeysBackupRequest{Dir: dir}, &done)
	}
	alone := held
	if _, err := os.Stat(c.settings.EventsDir()); c.settings.EventStore == config.Embedded && err != nil {
		alone = true
	}
	if alone { // no ledger writes to this log
		return app.BackUpKeys(ctx, c.settings, nil, dir)
	}
	err = c.withLog(func(log *app.Store, _ config.Accounts) (err error) {
		done, err = app.BackUpKeys(ctx, c.settings, log, dir)
		return err
	})
	return done, err
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
			if held, err := privacy.KeysInFolder(args[0]).Holds(cmd.Context(), privacy.InFolder); err != nil || !held { // of any version
				return &exitError{code: exitNotFound, err: errors.Join(fmt.Errorf("%s is no copy of keys", args[0]), err)}
			}
			var report struct {
				privacy.Merged

				Erased int `json:"orders_erased"`
			}
			err := c.withLog(func(log *app.Store, _ config.Accounts) (err error) {
				report.Merged, report.Erased, err = app.RestoreKeys(cmd.Context(), c.settings, log, args[0])
				return errors.Join(err, log.ScavengeKeys(cmd.Context()))
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

func (c *cli) keysMove() *cobra.Command {
	to := ""
	cmd := &cobra.Command{
		Use:   "move --to folder|streams",
		Short: "Bring the keys of personal data together in one place",
		Long: `move brings the keys of personal data from the folder DATA-DIR/keys into streams
of the event store, or back. It can be stopped and begun again: a key is in one
of the places at every moment, and leaves the one when the other has it. Keys are
found in both places in any case. The ledger does not run meanwhile when the event
store is the embedded one. New keys go where --keys says: set it alike.`,
		Example: "  ledger keys move --to streams",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			place := privacy.Place(to)
			if place != privacy.InFolder && place != privacy.InStreams {
				return &exitError{code: exitUsage, err: fmt.Errorf("--to is %s or %s, not %q", privacy.InFolder, privacy.InStreams, to)}
			}
			var done privacy.Moved
			err := c.withLog(func(log *app.Store, _ config.Accounts) error {
				keys, err := app.KeyStore(c.settings, log)
				if err != nil {
					return err
				}
				if done, err = keys.Move(cmd.Context(), place); err != nil {
					return err
				}
				return log.ScavengeKeys(cmd.Context())
			})
			if err != nil {
				return err
			}
			if c.json {
				if err := c.printJSON(done); err != nil {
					return err
				}
			} else {
				c.say("%d sheets of keys moved", done.Moved)
			}
			if made, err := c.settings.KeyPlace(); err == nil && made != place {
				c.say("new keys are made in the %s: set --keys (LEDGER_KEYS) to %s", made, place)
			}
			if len(done.Left) > 0 {
				return fmt.Errorf("these sheets are damaged and stay where they are: %s", strings.Join(done.Left, ", "))
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&to, "to", "", "where the keys are to be: folder or streams")
	return cmd
}
