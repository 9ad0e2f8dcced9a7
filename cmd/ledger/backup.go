package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/order-ledger/order-ledger/cmd/internal/app"
	"github.com/order-ledger/order-ledger/cmd/internal/config"
	"github.com/order-ledger/order-ledger/cmd/internal/web"
	"github.com/order-ledger/order-ledger/eventstore/node"
)

func (c *cli) backup() *cobra.Command {
	return &cobra.Command{
		Example: `  ledger backup /backups/monday
  ledger verify /backups/monday`,
		Use:   "backup DIR",
		Short: "Copy the event log, consistent, while the ledger runs",
		Long: `backup writes a copy of the embedded node's log to DIR, which must not exist, outside
of the data directory, and which nobody else on the machine can read: all
that was acknowledged before is in it, and notifications are taken in meanwhile.
The log is the only truth: the database needs no backup. Check a copy with
"ledger verify DIR", and bring it back with "ledger restore DIR".`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if c.settings.EventStore != config.Embedded {
				return &exitError{code: exitUsage, err: errors.New("backup copies the embedded node's log; back an EventStoreDB up by its own means")}
			}
			dir, err := filepath.Abs(args[0])
			if err != nil {
				return err
			}
			if _, err := os.Stat(dir); err == nil {
				return fmt.Errorf("%s exists already: a backup needs a folder of its own", dir)
			}
			if _, err := os.Stat(c.settings.DataDir); err == nil {
				if err := app.CheckBackupDir(dir, c.settings.DataDir, ""); err != nil {
					return &exitError{code: exitUsage, err: err}
				}
			}
			if err := c.backUp(cmd.Context(), dir); err != nil {
				return c.explain(err)
			}
			if c.json {
				return c.printJSON(map[string]any{"dir": dir})
			}
			c.say("backed up to %s", dir)
			return nil
		},
	}
}

// backUp asks the ledger or the node that holds the log, or opens it.
func (c *cli) backUp(ctx context.Context, dir string) (err error) {
	if h, held := c.holder(); held {
		request, answer := web.BackupRequest{Dir: dir}, web.BackupRequest{}
		switch {
		case h.ledger != "":
			return c.ask(ctx, http.MethodPost, h.ledger+"/backup", request, &answer)
		case h.admin != "":
			return askWith(ctx, http.DefaultClient, c.settings.NodeTokenFile(), http.MethodPost, h.admin+"/backup", request, &answer)
		}
	}
	if _, err := os.Stat(c.settings.EventsDir()); err != nil {
		return &exitError{code: exitNotFound, err: fmt.Errorf("there is no event log to back up: %w", err)}
	}
	store, err := app.OpenStore(c.settings, c.logger(slog.LevelWarn))
	if err != nil {
		return c.explain(err)
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	return store.Node.Backup(ctx, dir)
}

func (c *cli) restore() *cobra.Command {
	return &cobra.Command{
		Example: `  ledger restore /backups/monday --data-dir /var/lib/ledger-restored
  ledger serve --data-dir /var/lib/ledger-restored`,
		Use:   "restore DIR",
		Short: "Bring a backup of the event log back",
		Long: `restore checks the backup in DIR and copies it to the data directory, which must
not hold a log. The views are then brought up by "ledger serve"; use a fresh
database (or data directory), for views of another history do not fit.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			target := c.settings.EventsDir()
			if entries, err := os.ReadDir(target); err == nil && len(entries) > 0 {
				return fmt.Errorf("%s holds an event log already; nothing was changed: name another --data-dir, or move that folder away", target)
			}
			if err := isThere(args[0]); err != nil {
				return err
			}
			report, err := node.Verify(cmd.Context(), args[0], func(node.VerifyProgress) {})
			if err != nil {
				return fmt.Errorf("check the backup: %w", err)
			}
			if !report.OK() {
				return fmt.Errorf("the backup is not restored: %w; see `ledger verify %s`", errUnsound(len(report.Problems)), args[0])
			}
			if err := app.MakeDataDir(c.settings); err != nil {
				return err
			}
			// Copied beside and renamed, so that half a log is never taken for one.
			half := target + ".restoring"
			if err := os.RemoveAll(half); err != nil {
				return fmt.Errorf("clear what an interrupted restore left: %w", err)
			}
			if err := os.CopyFS(half, os.DirFS(args[0])); err != nil {
				return fmt.Errorf("copy the backup: %w", err)
			}
			if err := syncTree(half); err != nil {
				return fmt.Errorf("sync the restored log: %w", err)
			}
			if err := os.Remove(target); err != nil && !errors.Is(err, os.ErrNotExist) {
				return fmt.Errorf("put the restored log in place: %w", err)
			}
			if err := os.Rename(half, target); err != nil {
				return fmt.Errorf("put the restored log in place: %w", err)
			}
			if err := syncPath(filepath.Dir(target)); err != nil {
				return fmt.Errorf("sync the data directory: %w", err)
			}
			if c.json {
				return c.printJSON(map[string]any{"dir": target, "events": report.Events})
			}
			c.say("restored %d events to %s", report.Events, target)
			return nil
		},
	}
}

// syncTree makes a copied folder durable.
func syncTree(dir string) error {
	return filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return syncPath(path)
	})
}

func syncPath(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
