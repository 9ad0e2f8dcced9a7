package main

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/order-ledger/order-ledger/cmd/internal/app"
	"github.com/order-ledger/order-ledger/cmd/internal/config"
	"github.com/order-ledger/order-ledger/cmd/internal/export"
)

// lakeRun says what `ledger export history --lake` is to do.
type lakeRun struct {
	dir, ledger, actor string
	partEvents         int64
}

func (l *lakeRun) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&l.dir, "lake", "", "with --format parquet: append what is new to this folder, partitioned by day; needs a running ledger")
	cmd.Flags().StringVar(&l.ledger, "ledger", "", "URL of the ledger whose feed the lake is made of; that of the data directory unless told. "+
		feedTokenVariable+" holds a token with the scope feed:read")
	cmd.Flags().Int64Var(&l.partEvents, "part-events", 0, "with --lake: events in one manifest at most; 250,000 unless told. What was committed stays when a run breaks off")
}

// runLake appends what is new in a ledger's feed to a lake.
func (c *cli) runLake(ctx context.Context, l lakeRun) error {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	job := export.LakeJob{URL: strings.TrimSuffix(l.ledger, "/"), Token: c.env(feedTokenVariable), Dir: l.dir, PartEvents: l.partEvents}
	if job.URL == "" {
		if job.URL = c.runningLedger(); job.URL == "" {
			return fmt.Errorf("no ledger runs on %s: start one with `ledger serve`, or say where it is with --ledger; a lake is made of its feed", c.settings.DataDir)
		}
		token, err := os.ReadFile(c.settings.TokenFile())
		if err != nil {
			return fmt.Errorf("a ledger is running, and its token cannot be read: %w", err)
		}
		job.Token, job.Client = string(token), c.httpClient()
	}
	var err error
	if job.Sign, err = app.ExportKey(c.settings); err != nil {
		return err
	}
	run, err := job.Run(ctx)
	// What was committed counts, also when the run broke off then.
	if recordErr := c.recordLake(context.WithoutCancel(ctx), run.Newest, l.dir, l.actor, job.Sign); recordErr != nil {
		err = errors.Join(err, fmt.Errorf("the lake is written, and not recorded: %w", recordErr))
	}
	if c.json && (run.Events > 0 || err == nil) {
		err = errors.Join(err, c.printJSON(run))
	} else if run.Events > 0 {
		c.say("%d events in %d files, from %s to %s; the feed goes on after %s", run.Events, len(run.Files), run.First, run.Last, run.Cursor)
	} else if err == nil {
		c.say("nothing is new")
	}
	return err
}

// recordLake records a lake's newest manifest in the log, unless it is: with it, an older copy of the lake
// can be told from the lake.
func (c *cli) recordLake(ctx context.Context, newest export.LakeManifest, dir, actor string, key ed25519.PrivateKey) error {
	if newest.PublicKey != app.PublicKey(key) { // of an empty lake, or of the key before this one
		return nil
	}
	if _, err := os.Stat(c.settings.EventsDir()); c.settings.EventStore == config.Embedded && errors.Is(err, os.ErrNotExist) {
		c.say("the lake's newest manifest, number %d, is not recorded: its ledger's log is elsewhere", newest.Number)
		return nil
	}
	mark, err := c.recordedLake(ctx, newest.Lake)
	if err != nil || mark.PublicKey == newest.PublicKey && mark.Number >= newest.Number {
		return err
	}
	return c.recordExport(ctx, newest, actor, dir, key)
}

// recordedLake asks the log for the newest manifest of a lake that it knows.
func (c *cli) recordedLake(ctx context.Context, lake string) (mark export.LakeMark, err error) {
	if running := c.runningLedger(); running != "" {
		return mark, c.ask(ctx, http.MethodGet, running+"/exports/lakes/"+pathSegment(lake), nil, &mark)
	}
	key, err := app.ExportKey(c.settings)
	if err != nil {
		return mark, err
	}
	err = c.withLog(func(log *app.Store, _ config.Accounts) (err error) {
		mark, err = app.RecordedLake(ctx, log, app.PublicKey(key), lake)
		return err
	})
	return mark, err
}

func (c *cli) verifyExport() *cobra.Command {
	var keys []string
	var recorded bool
	verify := &cobra.Command{
		Example: `  ledger export verify 2026-10.hledger.manifest.json
  ledger export verify /lake --recorded --public-key KEY`,
		Use: "verify FILE|MANIFEST|LAKE", Short: "Check a manifest's signature and its file, or a whole lake",
		Long: `verify checks that a file is what its manifest says, and the manifest what was signed. Of a
lake's folder it checks that no manifest is missing, exchanged or changed, that each goes on
where the one before ended, and that there are exactly the files that they name.

Whose signature it is only --public-key proves: take it from ` + "`ledger export key`" + ` on the ledger's
machine, not from the lake. That a lake is not an older copy of itself only --recorded proves.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			err := c.verifyManifest(cmd.Context(), args[0], keys, recorded)
			if errors.Is(err, export.ErrNotProven) {
				return &exitError{code: exitDiffers, err: err}
			}
			return err
		},
	}
	verify.Flags().StringArrayVar(&keys, "public-key", nil, "the key that must have signed, base64; again for each further key of a lake. Without it the manifest's own is taken")
	verify.Flags().BoolVar(&recorded, "recorded", false, "of a lake: it must have the manifest that the log of the data directory recorded last")
	return verify
}

func (c *cli) verifyManifest(ctx context.Context, path string, keys []string, recorded bool) error {
	path = export.ManifestOf(path)
	whose := "; whose key that is --public-key proves"
	if len(keys) > 0 {
		whose = ""
	}
	if info, err := os.Stat(path); err != nil {
		return err
	} else if info.IsDir() {
		return c.verifyLake(ctx, path, keys, recorded, whose)
	}
	if recorded {
		return &exitError{code: exitUsage, err: errors.New("--recorded is for a whole lake")}
	}
	if export.IsLakeManifest(path) {
		m, err := export.VerifyLakeManifest(path, keys)
		if err != nil {
			return err
		}
		if c.json {
			return c.printJSON(m)
		}
		c.say("%d files of the lake are as they were written: %d events from %s to %s; the feed goes on after %s. Signed by %s%s; the whole lake proves its folder",
			len(m.Files), m.Events, m.First, m.Last, m.Cursor, m.PublicKey, whose)
		return nil
	}
	key := ""
	if len(keys) > 0 {
		key = keys[0]
	}
	m, err := export.Verify(path, key)
	if err != nil {
		return err
	}
	if c.json {
		return c.printJSON(m)
	}
	c.say("%s is as it was written: %d rows of %s up to position %d, signed by %s%s", m.File, m.Rows, m.What, m.Commit, m.PublicKey, whose)
	return nil
}

func (c *cli) verifyLake(ctx context.Context, dir string, keys []string, recorded bool, whose string) error {
	known := func(lake string) (export.LakeMark, error) { return c.recordedLake(ctx, lake) }
	if !recorded {
		known = nil
	}
	lake, err := export.VerifyLake(dir, keys, known)
	if err != nil {
		return err
	}
	if c.json {
		return c.printJSON(lake)
	}
	c.say("the lake is whole: %d events in %d files of %d manifests, from %s to %s; the feed goes on after %s. Signed by %s%s",
		lake.Events, lake.Files, lake.Manifests, lake.First, lake.Last, lake.Cursor, strings.Join(lake.PublicKeys, " and "), whose)
	if lake.Unfinished > 0 {
		c.say("%d files of a run that has not ended do not count", lake.Unfinished)
	}
	return nil
}

// exportKey prints what proves who signed.
func (c *cli) exportKey() *cobra.Command {
	return &cobra.Command{
		Use: "key", Short: "Print the public key that manifests are signed with", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			key, err := app.ExportKey(c.settings)
			if err != nil {
				return err
			}
			public := app.PublicKey(key)
			if c.json {
				return c.printJSON(map[string]string{"public_key": public})
			}
			_, err = fmt.Fprintln(c.io.out, public)
			return err
		},
	}
}
