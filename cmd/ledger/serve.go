package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/sync/errgroup"

	"github.com/order-ledger/order-ledger/cmd/internal/app"
	"github.com/order-ledger/order-ledger/cmd/internal/config"
	"github.com/order-ledger/order-ledger/cmd/internal/web"
	"github.com/order-ledger/order-ledger/eventstore"
	"github.com/order-ledger/order-ledger/eventstore/node"
	"github.com/order-ledger/order-ledger/projections/audit"
	"github.com/order-ledger/order-ledger/projections/freshness"
)

// memoryLimit is where the garbage collector starts to work harder; it is no
// hard bound. Below it garbage may be collectPercent of what is in use: the
// ledger keeps little and makes much.
const (
	memoryLimit    = 340 << 20
	collectPercent = 300
)

// limitMemory tunes the collector of a process that takes notifications in.
func limitMemory() {
	debug.SetMemoryLimit(memoryLimit)
	debug.SetGCPercent(collectPercent)
}

func (c *cli) serve() *cobra.Command {
	cmd := &cobra.Command{
		Example: `  ledger serve
  ledger serve --config ledger.yaml --http 0.0.0.0:8443 --http-tls-cert tls.crt --http-tls-key tls.key`,
		Use:   "serve",
		Short: "Run the ledger: intake, API, projections, event store",
		Long: `serve takes webhooks in at /webhooks/{decta|everifin|connectpay}, keeps the views in
PostgreSQL up to date and answers queries, until it is stopped. It is ready
when GET /readyz answers 200. Notifications are taken in while the database is away.
SIGHUP has it read the subscribers of webhooks (webhooks: in the file of --config) once more.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			logger := c.logger(slog.LevelInfo)
			c.settings.Unattended = true
			return c.run(cmd.Context(), logger, func(line string) { logger.Info("database", slog.String("state", line)) },
				func(ctx context.Context, l *app.Ledger, server *web.Server, events string) error {
					hangup := make(chan os.Signal, 1)
					if c.settings.File != "" { // without one it ends the process, as when a terminal is closed
						signal.Notify(hangup, syscall.SIGHUP)
						defer signal.Stop(hangup)
					}
					logger.Info("serving", slog.String("http", server.URL()), slog.String("events", events), slog.Int("pid", os.Getpid()))
					if token := server.DevelopmentToken(); token != "" {
						logger.Warn("no API token exists: this one allows everything on the order API until the ledger stops; make others with ledger token create",
							slog.String("token", token))
					}
					if unsigned := l.Accounts.Unsigned(); len(unsigned) > 0 {
						logger.Warn("these accounts accept webhooks from anybody on this machine; configure verifiers before others can reach it",
							slog.Any("accounts", unsigned))
					}
					reloadOn(ctx, hangup, l, logger)
					return nil
				})
		},
	}
	c.boolean(cmd.Flags(), &cmd.PreRunE, &c.settings.BehindProxy, "http-behind-proxy", "LEDGER_HTTP_BEHIND_PROXY",
		"a proxy before --http speaks TLS to the world: other than loopback addresses may be plain text")
	cmd.Flags().StringVar(&c.settings.TLSCert, "http-tls-cert", c.env("LEDGER_HTTP_TLS_CERT"), "certificate (PEM file) that --http speaks TLS with [LEDGER_HTTP_TLS_CERT]")
	cmd.Flags().StringVar(&c.settings.TLSKey, "http-tls-key", c.env("LEDGER_HTTP_TLS_KEY"), "its key (PEM file) [LEDGER_HTTP_TLS_KEY]")
	cmd.Flags().StringVar(&c.settings.MasterKey, "master-key", c.env("LEDGER_MASTER_KEY"),
		"master key of personal data: env:NAME or file:PATH of 32 bytes in base64; empty uses DATA-DIR/keys/master.key [LEDGER_MASTER_KEY]")
	c.duration(cmd, &c.settings.CanaryInterval, "canary", "LEDGER_CANARY", freshness.DefaultInterval,
		"time between two canary events, which measure how fresh the views are; 0 writes none")
	c.duration(cmd, &c.settings.StaleAfter, "stale-after", "LEDGER_STALE_AFTER", freshness.DefaultStaleAfter,
		"age of the views from which /readyz says degraded; 0 is never")
	c.scavengeInterval(cmd)
	c.duration(cmd, &c.settings.AuditInterval, "audit-interval", "LEDGER_AUDIT_INTERVAL", audit.DefaultInterval,
		"time between two rounds of the standing auditor; 0 audits nothing")
	c.value(cmd, &fromOne{target: &c.settings.AuditOrders}, "audit-orders", "LEDGER_AUDIT_ORDERS", strconv.Itoa(audit.DefaultOrders), "a number from 1 on",
		"how many orders a round of the standing auditor takes in turn, and how many of those that changed last")
	c.boolean(cmd.Flags(), &cmd.PreRunE, &c.settings.RebuildIfNeeded, "rebuild-if-needed", "LEDGER_REBUILD_IF_NEEDED",
		"rebuild the views when another version of the ledger made them")
	return cmd
}

// duration adds a flag and its environment twin. What is 0 is switched off.
func (c *cli) duration(cmd *cobra.Command, target *time.Duration, name, variable string, fallback time.Duration, usage string) {
	c.value(cmd, &offDuration{target: target}, name, variable, fallback.String(), "a duration like 30s or 5m, 0 or more", usage)
}

// value adds a flag and its environment twin; takes says what it takes. What is wrong in the environment is told when the command runs.
func (c *cli) value(cmd *cobra.Command, target pflag.Value, name, variable, fallback, takes, usage string) {
	text := fallback
	if v := c.env(variable); v != "" {
		text = v
	}
	err := target.Set(text)
	cmd.Flags().Var(target, name, usage+" ["+variable+"]")
	refuseTwin(&cmd.PreRunE, variable, takes, text, err)
}

// boolean adds a switch and its environment twin, which takes what the flag does; empty is not set. before is what
// runs before the commands that have the flag: what is wrong in the environment is told there.
func (c *cli) boolean(flags *pflag.FlagSet, before *func(*cobra.Command, []string) error, target *bool, name, variable, usage string) {
	text := cmp.Or(c.env(variable), "false")
	value, err := strconv.ParseBool(text)
	flags.BoolVar(target, name, value, usage+" ["+variable+"]")
	refuseTwin(before, variable, "true or false", text, err)
}

// refuseTwin has commands refuse what is wrong in the environment, unless something was found before.
func refuseTwin(before *func(*cobra.Command, []string) error, variable, takes, text string, err error) {
	if err == nil || *before != nil {
		return
	}
	*before = func(*cobra.Command, []string) error {
		return &exitError{code: exitUsage, err: fmt.Errorf("%s takes %s, not %q", variable, takes, text)}
	}
}

// fromOne is a whole number from 1 on.
type fromOne struct{ target *int }

// String, Set and Type implement pflag.Value.
func (n *fromOne) String() string {
	if n.target == nil {
		return ""
	}
	return strconv.Itoa(*n.target)
}

// Set reads a number.
func (n *fromOne) Set(text string) error {
	value, err := strconv.Atoi(text)
	if err == nil && value < 1 {
		err = fmt.Errorf("%d is not a number from 1 on", value)
	}
	if err != nil {
		return err
	}
	*n.target = value
	return nil
}

// Type names it in the help.
func (n *fromOne) Type() string { return "number" }

// offDuration is a duration of which 0 means off, which settings hold as a negative one.
type offDuration struct{ target *time.Duration }

// String, Set and Type implement pflag.Value.
func (d *offDuration) String() string {
	if d.target == nil {
		return ""
	}
	return max(*d.target, 0).String()
}

// Set reads a duration.
func (d *offDuration) Set(text string) error {
	v, err := time.ParseDuration(text)
	switch {
	case err != nil:
		return err
	case v < 0:
		return errors.New("a duration cannot be negative")
	case v == 0:
		v = -1
	}
	*d.target = v
	return nil
}

// Type names the kind of value in help.
func (d *offDuration) Type() string { return "duration" }

// run opens the ledger, serves it and calls started, until ctx ends or a part
// fails. started may return to leave the ledger running.
func (c *cli) run(
	ctx context.Context, logger *slog.Logger, progress func(string),
	started func(ctx context.Context, l *app.Ledger, server *web.Server, events string) error,
) (err error) {
	limitMemory()
	ledger, err := app.Open(ctx, c.settings, logger, progress)
	if err != nil {
		return c.explain(err)
	}
	defer func() { err = errors.Join(err, ledger.Close()) }()
	token, err := newToken(c.settings, c.settings.TokenFile())
	if err != nil {
		return err
	}
	defer func() { _ = errors.Join(os.Remove(c.settings.TokenFile()), os.RemoveAll(c.settings.HTTPCertFile())) }()
	server, err := web.Listen(ctx, ledger, token)
	if err != nil {
		return explainPort(err, c.settings.HTTP, "choose another --http")
	}
	events, err := ledger.Store.Serve(ctx, c.settings, logger)
	if err != nil {
		return explainPort(err, c.settings.EventStoreListen, "choose another --eventstore-listen, or off")
	}
	if ledger.Store.Node != nil {
		if err := ledger.Store.Node.SetLockInfo(server.URL()); err != nil {
			return err
		}
	} else {
		defer publishPlace(c.settings, server.URL(), logger)()
	}
	group, groupCtx := errgroup.WithContext(ctx)
	group.Go(func() error { return server.Serve(groupCtx) })
	group.Go(func() error { return ledger.Run(groupCtx) })
	group.Go(func() error { return ledger.Watch(groupCtx) })
	group.Go(func() error { return ledger.Store.Watch(groupCtx) })
	group.Go(func() error { return started(groupCtx, ledger, server, events) })
	return group.Wait()
}

// reloadOn reads the subscribers of webhooks once more at each signal, until ctx ends.
func reloadOn(ctx context.Context, hangup <-chan os.Signal, l *app.Ledger, logger *slog.Logger) {
	for {
		select {
		case <-hangup:
			if err := l.ReloadSubscribers(); err != nil {
				logger.ErrorContext(ctx, "the configuration was not read again: all stays as it was", slog.Any("error", err))
				continue
			}
			logger.InfoContext(ctx, "subscribers of webhooks were read again")
		case <-ctx.Done():
			return
		}
	}
}

// newToken makes a token and leaves it in a file in the data directory, for the
// owner only.
func newToken(s config.Settings, file string) (string, error) {
	token := rand.Text()
	if err := app.MakeDataDir(s); err != nil {
		return "", err
	}
	if err := os.WriteFile(file, []byte(token), 0o600); err != nil {
		return "", fmt.Errorf("write token of the data directory: %w", err)
	}
	return token, nil
}

// explainPort says what to do about an address that cannot be listened on.
func explainPort(err error, address, advice string) error {
	var wrong *net.AddrError
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("address %s is in use by another program: %s", address, advice)
	case errors.Is(err, syscall.EACCES):
		return fmt.Errorf("this user may not listen on %s (ports below 1024 are for root): %s", address, advice)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return fmt.Errorf("%s is no address of this machine: %s", address, advice)
	case errors.As(err, &wrong):
		return fmt.Errorf("address %s is none to listen on (%s): %s", address, wrong.Err, advice)
	}
	return err
}

// explain turns what commonly goes wrong at a start into a sentence that says
// what to do.
func (c *cli) explain(err error) error {
	var locked *node.LockedError
	if errors.As(err, &locked) {
		h := parseHolder(locked.PID, locked.Info)
		switch {
		case h.node != "":
			return fmt.Errorf("a node is already running on %s: process %d at %s; use its log with --eventstore '%s', stop it, or choose another --data-dir",
				c.settings.DataDir, h.pid, h.node, h.node)
		case h.ledger != "":
			return fmt.Errorf("a ledger is already running on %s: process %d at %s; stop it, or choose another --data-dir",
				c.settings.DataDir, h.pid, h.ledger)
		}
		return fmt.Errorf("a ledger is already running on %s: process %d; stop it, or choose another --data-dir", c.settings.DataDir, h.pid)
	}
	if c.settings.EventStore != config.Embedded && errors.Is(err, eventstore.ErrUnavailable) {
		return fmt.Errorf("the event store of --eventstore does not answer: start it, or correct the connection string (%s)",
			strings.Join(strings.Fields(err.Error()), " "))
	}
	if errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("%w: run the ledger as the user who owns %s, or choose another --data-dir", err, c.settings.DataDir)
	}
	return err
}
