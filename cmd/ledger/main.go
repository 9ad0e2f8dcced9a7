// Command ledger is the order ledger: it takes in what payment gateways
// report, keeps it as immutable events, and shows it in PostgreSQL.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/order-ledger/order-ledger/cmd/internal/config"
)

// Exit codes.
const (
	exitOK       = 0
	exitFailed   = 1 // the command failed, or something it was to do did
	exitUsage    = 2 // the command line is wrong
	exitNotFound = 3 // what was asked for is not there
	exitDiffers  = 4 // the views do not say what the log says, or an export is not what its manifest says
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends the process at once
	code := run(ctx, os.Args[1:], os.Getenv, stdio{in: os.Stdin, out: os.Stdout, err: os.Stderr})
	stop()
	os.Exit(code)
}

// stdio is where a command reads and writes: out is for data, err for people.
type stdio struct {
	in       io.Reader
	out, err io.Writer
}

// exitError carries an exit code besides its text.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string { return e.err.Error() }
func (e *exitError) Unwrap() error { return e.err }

// run executes one command line.
func run(ctx context.Context, args []string, env func(string) string, io stdio) int {
	c := newCLI(env, io)
	root := c.root()
	root.SetArgs(args)
	root.SetIn(c.io.in)
	root.SetOut(c.io.out)
	root.SetErr(c.io.err)
	err := root.ExecuteContext(ctx)
	var exit *exitError
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &exit):
		c.say("ledger: %s", exit.Error())
		return exit.code
	case ctx.Err() != nil && errors.Is(err, context.Canceled):
		return exitFailed
	}
	c.say("ledger: %s", err.Error())
	return exitFailed
}

// cli is what all commands share.
type cli struct {
	env      func(string) string
	io       stdio
	settings config.Settings
	json     bool
	logJSON  bool
	verbose  bool
}

func newCLI(env func(string) string, io stdio) *cli {
	return &cli{env: env, io: stdio{in: io.in, out: visibleWriter{raw: io.out}, err: visibleWriter{raw: io.err}}}
}

func (c *cli) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "ledger",
		Short: "An event-sourced order ledger",
		Long: `ledger takes in what payment gateways report about orders, keeps every fact as
an immutable event, and shows balances, refunds and disputes in PostgreSQL.

Flags have environment twins: --data-dir is LEDGER_DATA_DIR, and so on. Data goes
to standard output, everything else to standard error.

Exit codes: 0 done, 1 failed, 2 wrong command line, 3 not found, 4 the views
differ from the log, or an export is not proven.`,
		Example: `  ledger demo                       shows everything, with simulated traffic
  ledger serve                      runs the ledger; ready when GET /readyz says 200
  ledger status                     where it stands
  ledger order show SO-2026-000417  one order, by any of its ids or references`,
		SilenceUsage: true, SilenceErrors: true,
	}
	root.SetFlagErrorFunc(wrongFlag)
	root.SetHelpFunc(help)
	root.SetUsageFunc(func(cmd *cobra.Command) error { writeUsage(cmd.OutOrStderr(), cmd); return nil })
	flags := root.PersistentFlags()
	text := func(target *string, name, variable, fallback, usage string) {
		if v := c.env(variable); v != "" {
			fallback = v
		}
		flags.StringVar(target, name, fallback, usage+" ["+variable+"]")
		if c.env(variable) != "" {
			flags.Lookup(name).DefValue = "" // help shows no value of the environment: URLs hold passwords
		}
	}
	text(&c.settings.DataDir, "data-dir", "LEDGER_DATA_DIR", "./ledger-data", "directory of everything local")
	text(&c.settings.EventStore, "eventstore", "LEDGER_EVENTSTORE", config.Embedded,
		"event store: embedded, or an esdb://, esdb+discover:// or kurrentdb:// connection string")
	text(&c.settings.EventStoreListen, "eventstore-listen", "LEDGER_EVENTSTORE_LISTEN", "127.0.0.1:2113",
		"address where the embedded node serves EventStoreDB's protocol, or off")
	text(&c.settings.EventStoreAdvertise, "eventstore-advertise", "LEDGER_EVENTSTORE_ADVERTISE", "",
		"HOST:PORT by which clients that discover the embedded node reach it; needed when it listens on all interfaces")
	text(&c.settings.DatabaseURL, "database-url", "LEDGER_DATABASE_URL", "", "PostgreSQL URL; empty runs a private PostgreSQL")
	text(&c.settings.HTTP, "http", "LEDGER_HTTP", "127.0.0.1:8080", "address of API and webhooks")
	text(&c.settings.Keys, "keys", "LEDGER_KEYS", "",
		"where keys of personal data are made: folder (DATA-DIR/keys) or streams of the event store; empty is streams with an --eventstore elsewhere, else folder")
	text(&c.settings.File, "config", "LEDGER_CONFIG", "", "YAML file of gateway accounts")
	flags.BoolVar(&c.json, "json", false, "print data as JSON")
	c.boolean(flags, &root.PersistentPreRunE, &c.logJSON, "log-json", "LEDGER_LOG_JSON", "write logs as JSON")
	flags.BoolVarP(&c.verbose, "verbose", "v", false, "log more")
	addGroup(root, groupRun, "Run it", c.demo(), c.serve(), c.node(), c.status(), c.token(), c.webhooks())
	addGroup(root, groupOrder, "Orders", c.ingest(), c.order(), c.explainOrder(), c.erase(), c.simulate())
	addGroup(root, groupBooks, "The books", c.accountingReport(), c.period(), c.reconcile(), c.export(), c.auditPack(), c.entity())
	addGroup(root, groupViews, "The views in PostgreSQL", c.rebuild(), c.audit(), c.parked(), c.migrate())
	addGroup(root, groupLog, "The event log", c.backup(), c.verify(), c.restore(), c.keys(), c.scavenge(), c.copyLog(), c.events())
	addGroup(root, groupOther, "Further", c.reportService(), c.version())
	root.SetHelpCommandGroupID(groupOther)
	root.SetCompletionCommandGroupID(groupOther)
	root.SetHelpCommand(helpCommand())
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	explainUsage(root)
	return root
}

// logger writes to standard error: warnings and worse, more when asked for.
func (c *cli) logger(level slog.Level) *slog.Logger {
	if c.verbose {
		level = slog.LevelDebug
	}
	options := &slog.HandlerOptions{Level: level, ReplaceAttr: errorAttr}
	if c.logJSON {
		return slog.New(slog.NewJSONHandler(c.io.err, options))
	}
	return slog.New(slog.NewTextHandler(c.io.err, options))
}

// errorAttr writes errors as one line: some print themselves with a stack.
func errorAttr(_ []string, a slog.Attr) slog.Attr {
	if err, ok := a.Value.Any().(error); ok {
		a.Value = slog.StringValue(strings.Join(strings.Fields(err.Error()), " "))
	}
	return a
}

// say writes a line for a person.
func (c *cli) say(format string, args ...any) {
	_, _ = io.WriteString(c.io.err, broken(fmt.Sprintf(format+"\n", args...), terminalWidth(c.io.err)))
}
