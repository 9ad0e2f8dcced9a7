package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/order-ledger/order-ledger/cmd/internal/app"
	"github.com/order-ledger/order-ledger/cmd/internal/copylog"
	"github.com/order-ledger/order-ledger/commands/privacy"
	"github.com/order-ledger/order-ledger/eventstore"
	"github.com/order-ledger/order-ledger/eventstore/esdbstore"
	"github.com/order-ledger/order-ledger/eventstore/node"
)

// saveEvery is how often the position of a copy is saved.
const saveEvery = time.Second

func (c *cli) copyLog() *cobra.Command {
	var from, to, state string
	cmd := &cobra.Command{
		Example: `  ledger copy-log --from embedded --to 'esdb://es1:2113,es2:2113'
  ledger copy-log --from 'esdb://es1:2113,es2:2113' --to /var/lib/ledger-new/events`,
		Use:   "copy-log --from LOG --to LOG",
		Short: "Move the ledger to another event store",
		Long: `copy-log copies every event of every ledger stream in the order of the log, with
ids, types, data and metadata, and compares both logs at the end. LOG is
"embedded" (the log in the data directory), the folder of a log, or a connection
string (esdb://, esdb+discover://, kurrentdb://). Stop the ledger first.

Keys of personal data in streams are carried over as they are now, and none of
what was erased; those in a folder stay there.

It can be stopped and begun again; --state says where it remembers how far it
came, without which it looks at what the target holds. A target that holds events
of a ledger that are not the source's is refused before anything is copied.
Positions differ in the copy: use it with a fresh database.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if from == "" || to == "" || from == to {
				return &exitError{code: exitUsage, err: errors.New("--from and --to name two different logs")}
			}
			if state == "" {
				state = filepath.Join(c.settings.DataDir, "copy-log.json")
			}
			return c.runCopyLog(cmd.Context(), from, to, state)
		},
	}
	cmd.Flags().StringVar(&from, "from", "", "log to copy")
	cmd.Flags().StringVar(&to, "to", "", "log to copy to")
	cmd.Flags().StringVar(&state, "state", "", "file that remembers how far it came (default DATA-DIR/copy-log.json)")
	return cmd
}

// openLog opens a log by its name.
func (c *cli) openLog(name string, logger *slog.Logger) (eventstore.Store, error) {
	switch {
	case name == "embedded":
		store, err := app.OpenStore(c.settings, logger)
		if err != nil {
			return nil, c.explain(err)
		}
		return store, nil
	case strings.Contains(name, "://"):
		return esdbstore.Open(esdbstore.Options{ConnectionString: name, Logger: logger})
	}
	n, err := node.Open(node.Options{Dir: name, Logger: logger})
	if err != nil {
		return nil, c.explain(err)
	}
	return n, nil
}

// isThere refuses a folder without a log, which opening it would make.
func isThere(dir string) error {
	if _, err := os.ReadDir(dir); errors.Is(err, os.ErrPermission) {
		return fmt.Errorf("%w: be the user who owns it", err)
	}
	if !node.HoldsLog(dir) {
		return &exitError{code: exitNotFound, err: fmt.Errorf("there is no event log in %s", dir)}
	}
	return nil
}

func (c *cli) runCopyLog(ctx context.Context, from, to, state string) (err error) {
	dir := from
	if from == "embedded" {
		dir = c.settings.EventsDir()
	}
	if !strings.Contains(from, "://") {
		if err := isThere(dir); err != nil {
			return err
		}
	}
	logger := c.logger(slog.LevelWarn)
	source, err := c.openLog(from, logger)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, source.Close()) }()
	target, err := c.openLog(to, logger)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, target.Close()) }()
	mark, err := readMark(state, from, to)
	if err != nil {
		return err
	}
	job := &copyJob{cli: c, source: source, target: target, mark: mark, state: state, told: time.Now()}
	if err := job.begin(ctx); err != nil {
		return err
	}
	copied, err := job.copy(ctx)
	if err != nil {
		return err
	}
	keys, err := privacy.MergeStreams(ctx, source, target)
	if err == nil && keys != (privacy.Merged{}) {
		_, err = app.DestroyErased(ctx, c.settings, target)
	}
	if err != nil {
		return fmt.Errorf("copy the keys of personal data: %w", err)
	}
	verified, err := copylog.Verify(ctx, source, target, job.mark.position(), job.tell)
	if err != nil {
		return fmt.Errorf("the copy is not equal to its source: %w", err)
	}
	if c.json {
		err = c.printJSON(map[string]uint64{"copied": copied, "verified": verified})
	} else {
		_, err = fmt.Fprintf(c.io.out, "copied %d, verified %d events\n", copied, verified)
	}
	if err != nil {
		return err
	}
	if grown, err := copylog.Grown(ctx, source, job.mark.position()); err != nil || grown {
		return cmp.Or(err, errors.New("the source goes on growing: stop the ledger that writes to it, and run copy-log again"))
	}
	return nil
}

// copyJob is a copy under way.
type copyJob struct {
	*cli
	source, target eventstore.Store
	mark           copyMark
	state          string
	told           time.Time
}

// tell shows how far it came, once in a while.
func (j *copyJob) tell(p copylog.Progress) {
	if time.Since(j.told) < saveEvery {
		return
	}
	j.told = time.Now()
	if p.Comparing {
		j.say("compared %d events", p.Events)
		return
	}
	j.say("copied %d events, up to %s", p.Events, p.Position)
}

// begin finds out where to go on: at the mark, when it is about these logs, else behind what the target holds.
func (j *copyJob) begin(ctx context.Context) error {
	if at := j.mark.position(); at != nil {
		holds, err := copylog.Holds(ctx, j.source, j.target, *at)
		if err != nil {
			return err
		}
		if holds {
			return nil
		}
		j.say("%s is about other logs than these", j.state)
		j.mark.At = ""
	}
	at, events, err := copylog.Common(ctx, j.source, j.target, j.tell)
	if err != nil {
		return fmt.Errorf("the target is no unfinished copy of the source, nothing was copied: %w", err)
	}
	if at != nil {
		j.say("%d events are there already", events)
		j.mark.At = at.String()
	}
	return nil
}

// copyRounds bounds how often a copy goes on with what came to the source meanwhile.
const copyRounds = 10

func (j *copyJob) copy(ctx context.Context) (copied uint64, err error) {
	saved := time.Now()
	for range copyRounds {
		n, err := copylog.Copy(ctx, j.source, j.target, j.mark.position(), func(p copylog.Progress) error {
			j.mark.At = p.Position.String()
			p.Events += copied
			j.tell(p)
			if time.Since(saved) < saveEvery {
				return nil
			}
			saved = time.Now()
			return j.mark.write(j.state)
		})
		if copied += n; err != nil || n == 0 {
			return copied, errors.Join(err, j.mark.write(j.state))
		}
	}
	return copied, j.mark.write(j.state)
}

// copyMark remembers how far a copy came. Without it a copy begins at the
// start, which is slower and ends the same.
type copyMark struct {
	From string `json:"from"`
	To   string `json:"to"`
	At   string `json:"at,omitempty"`
}

func readMark(path, from, to string) (copyMark, error) {
	// Connection strings may hold passwords: only what is before is kept.
	fresh := copyMark{From: withoutPassword(from), To: withoutPassword(to)}
	text, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return fresh, nil
	}
	if err != nil {
		return fresh, fmt.Errorf("read how far the copy came: %w", err)
	}
	var mark copyMark
	if err := json.Unmarshal(text, &mark); err != nil || mark.From != fresh.From || mark.To != fresh.To {
		return fresh, nil //nolint:nilerr // the mark of another copy, or none: begin at the start
	}
	return mark, nil
}

func withoutPassword(log string) string {
	scheme, rest, found := strings.Cut(log, "://")
	if !found {
		return log
	}
	if _, host, has := strings.Cut(rest, "@"); has {
		rest = host
	}
	return scheme + "://" + rest
}

func (m copyMark) position() *eventstore.Position {
	p, err := eventstore.ParsePosition(m.At)
	if m.At == "" || err != nil {
		return nil
	}
	return &p
}

func (m copyMark) write(path string) error {
	text, err := json.Marshal(m)
	if err == nil {
		err = os.MkdirAll(filepath.Dir(path), 0o755) //nolint:gosec // G301: see app.MakeDataDir
	}
	if err == nil {
		err = os.WriteFile(path, text, 0o600)
	}
	if err != nil {
		return fmt.Errorf("remember how far the copy came: %w", err)
	}
	return nil
}
