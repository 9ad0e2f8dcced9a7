package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/order-ledger/order-ledger/cmd/internal/config"
	"github.com/order-ledger/order-ledger/migrations"
	"github.com/order-ledger/order-ledger/projections"
	"github.com/order-ledger/order-ledger/projections/freshness"
	"github.com/order-ledger/order-ledger/projections/rebuild"
	"github.com/order-ledger/order-ledger/projections/refold"
)

// RebuildVerb is what a rebuild is to do.
type RebuildVerb string

// Verbs of `ledger rebuild`. RebuildAll is plan, run, verify and swap.
const (
	RebuildAll      RebuildVerb = ""
	RebuildPlan     RebuildVerb = "plan"
	RebuildRun      RebuildVerb = "run"
	RebuildStatus   RebuildVerb = "status"
	RebuildVerify   RebuildVerb = "verify"
	RebuildSwap     RebuildVerb = "swap"
	RebuildRollback RebuildVerb = "rollback"
	RebuildDrop     RebuildVerb = "drop"
)

// RebuildRequest is one call of `ledger rebuild`.
type RebuildRequest struct {
	Verb RebuildVerb `json:"verb" required:"false"`
	// Approve is the digest of a difference that may be swapped in.
	Approve string `json:"approve,omitempty"`
	// AsOf and Into make a frozen copy of the views instead; Into alone, with the verb verify, compares it with what it was, and with
	// the verb drop removes it.
	AsOf string `json:"as_of,omitempty"`
	Into string `json:"into,omitempty"`
	// OtherVersion has a rollback make tables live that another version of the program made, and this one does not serve.
	OtherVersion bool `json:"other_version,omitempty"`
	// By is who asks, for the trace of what was done.
	By string `json:"by,omitempty"`
}

// RebuildAnswer is what came of it.
type RebuildAnswer struct {
	Plan *rebuild.Plan `json:"plan,omitempty"`
	// Sets are what stands beside the live tables afterwards.
	Sets []rebuild.Set `json:"sets"`
	// AtWork is the rebuild that is at work, for the verb status.
	AtWork *rebuild.Work  `json:"at_work,omitempty"`
	Proof  *rebuild.Proof `json:"proof,omitempty"`
	// Copy is what became of a frozen copy, for the verb verify of one.
	Copy *rebuild.CopyProof `json:"copy,omitempty"`
	// Refused: the proof shows a difference that nobody approved, and nothing was swapped.
	Refused bool `json:"refused,omitempty"`
	Swapped bool `json:"swapped,omitempty"`
	// Done is what was done to tables, the newest first, for the verb status.
	Done []rebuild.Done `json:"done,omitempty"`
	// Exchanged tells how a swap or a way back went.
	Exchanged *rebuild.Exchanged `json:"exchanged,omitempty"`
}

// RebuildLine is one line of the answer of a running ledger: how far it is, the plan before it begins, the end, or an error.
type RebuildLine struct {
	Progress *rebuild.Progress `json:"progress,omitempty"`
	Plan     *rebuild.Plan     `json:"plan,omitempty"`
	Answer   *RebuildAnswer    `json:"answer,omitempty"`
	Error    string            `json:"error,omitempty"`
	// NotFound: what the error is about is not there.
	NotFound bool `json:"not_found,omitempty"`
}

// RebuildNotFound tells whether an error of a rebuild is that something is not there.
func RebuildNotFound(err error) bool {
	return errors.Is(err, rebuild.ErrNone) || errors.Is(err, rebuild.ErrNoWayBack) || errors.Is(err, rebuild.ErrNoCopy) ||
		errors.Is(err, rebuild.ErrNoDigest)
}

// RebuildEngine makes what rebuilds the views of a ledger. It gives way by what measured measures, which may be nil, as
// long as fresh says that it counts; background, which may be nil, has the operating system give way as well.
func RebuildEngine(
	s config.Settings, log projections.Log, logger *slog.Logger,
	connect func(ctx context.Context, schema string) (*pgx.Conn, error), background func(*pgx.Conn),
	measured *freshness.Prober, fresh func() (time.Duration, bool), progress func(rebuild.Progress),
) (*rebuild.Engine, error) {
	own, err := Fingerprint()
	if err != nil {
		return nil, err
	}
	dir := filepath.Join(s.DataDir, "rebuild")
	cfg := rebuild.Config{
		Log: log, Connect: connect, Fingerprint: own, Dir: dir, Logger: logger, Clock: time.Now, Progress: progress,
		Background: background,
		Tables: rebuild.Tables{
			Create: migrations.CreateTables, Exchange: migrations.Exchange, CopyViews: migrations.CopyViews,
			IsBusy: migrations.ReadersBusy,
		},
		FreeBytes: func() (uint64, bool) { return freeForRebuild(s) }, DatabaseHere: s.DatabaseURL == "",
	}
	if measured != nil {
		cfg.Fresh, cfg.Usual, cfg.Watched = fresh, measured.Usual, measured.Often
	}
	return rebuild.New(cfg)
}

// freeForRebuild is the space for spilled events; with a private PostgreSQL, whose directory may be on another disk, that of the
// fuller of both.
func freeForRebuild(s config.Settings) (uint64, bool) {
	free, ok := freeBytes(s.DataDir)
	if s.DatabaseURL != "" {
		return free, ok
	}
	if there, known := freeBytes(s.PostgresDir()); known && (!ok || there < free) {
		return there, true
	}
	return free, ok
}

func freeBytes(dir string) (uint64, bool) {
	var st syscall.Statfs_t
	if err := syscall.Statfs(dir, &st); err != nil {
		return 0, false
	}
	return st.Bavail * uint64(st.Bsize), true
}

// Validate tells whether the request says clearly what it wants.
func (r *RebuildRequest) Validate() error {
	switch r.Verb {
	case RebuildAll, RebuildPlan, RebuildRun, RebuildStatus, RebuildVerify, RebuildSwap, RebuildRollback, RebuildDrop:
	default:
		return fmt.Errorf("there is no verb %q", r.Verb)
	}
	switch {
	case r.AsOf != "" && (r.Into == "" || r.Verb != RebuildAll):
		return errors.New("--as-of makes a frozen copy and wants --into SCHEMA, without a verb")
	case r.Into != "" && r.AsOf == "" && r.Verb != RebuildVerify && r.Verb != RebuildDrop:
		return errors.New("--into names a frozen copy and wants --as-of TIME or POSITION, or the verb verify or drop")
	case r.Approve != "" && r.Verb != RebuildAll && r.Verb != RebuildSwap:
		return errors.New("--approve is for the swap")
	}
	if r.OtherVersion && r.Verb != RebuildRollback {
		return errors.New("--other-version is for the rollback")
	}
	if r.Into != "" {
		if err := rebuild.CheckViewsName(r.Into); err != nil {
			return err
		}
	}
	if r.AsOf != "" {
		if _, err := refold.ParseMoment(r.AsOf, string(refold.ByRecorded)); err != nil {
			return fmt.Errorf("--as-of: %w", err)
		}
	}
	return nil
}

// MakesViews tells whether the request builds views, or plans to, and so needs none that are there.
func (r *RebuildRequest) MakesViews() bool {
	switch r.Verb {
	case RebuildAll, RebuildPlan, RebuildRun:
		return true
	case RebuildStatus, RebuildVerify, RebuildSwap, RebuildRollback, RebuildDrop:
	}
	return false
}

// Run does what the request says. planned is told the plan before the work begins.
func (r *RebuildRequest) Run(ctx context.Context, e *rebuild.Engine, planned func(*rebuild.Plan)) (*RebuildAnswer, error) {
	defer makeRoom()()
	answer := &RebuildAnswer{Sets: []rebuild.Set{}}
	e.AskedBy(r.By)
	err := r.do(ctx, e, planned, answer)
	var different *rebuild.DifferentError
	if errors.As(err, &different) {
		answer.Proof, answer.Refused = different.Proof, true
	} else if err != nil {
		return nil, err
	}
	if answer.Swapped {
		exchanged := e.Exchanged()
		answer.Exchanged = &exchanged
	}
	if r.Verb == RebuildStatus {
		if answer.AtWork, err = e.AtWork(ctx); err != nil {
			return nil, err
		}
		if answer.Done, err = e.Trace(ctx, doneTold); err != nil {
			return nil, err
		}
	}
	sets, err := e.Status(ctx)
	if err != nil && answer.Swapped {
		err = fmt.Errorf("the tables are exchanged, and then the database could not be asked what stands beside the live ones: %w", err)
	}
	if err != nil {
		return nil, err
	}
	answer.Sets = append(answer.Sets, sets...)
	return answer, nil
}

// doneTold bounds what a status tells of what was done.
const doneTold = 20

// StandingRebuild is the answer of the verb status, by a database alone: whoever rebuilds may hold the log.
func StandingRebuild(ctx context.Context, db *pgx.Conn) (answer *RebuildAnswer, err error) {
	answer = &RebuildAnswer{Sets: []rebuild.Set{}}
	if answer.AtWork, err = rebuild.AtWork(ctx, db); err != nil {
		return nil, err
	}
	if answer.Done, err = rebuild.Trace(ctx, db, doneTold); err != nil {
		return nil, err
	}
	sets, err := rebuild.Standing(ctx, db)
	answer.Sets = append(answer.Sets, sets...)
	return answer, err
}

func (r *RebuildRequest) do(ctx context.Context, e *rebuild.Engine, planned func(*rebuild.Plan), answer *RebuildAnswer) (err error) {
	switch r.Verb {
	case RebuildStatus:
		return nil
	case RebuildPlan:
		answer.Plan, err = e.Plan(ctx)
		return err
	case RebuildVerify:
		if r.Into != "" {
			answer.Copy, err = e.VerifyCopy(ctx, r.Into)
		} else {
			answer.Proof, err = e.Verify(ctx)
		}
		return err
	case RebuildSwap:
		err = e.Swap(ctx, r.Approve)
		answer.Swapped = err == nil
		return err
	case RebuildRollback:
		err = e.Rollback(ctx, r.OtherVersion)
		answer.Swapped = err == nil
		return err
	case RebuildDrop:
		return e.Drop(ctx, r.Into)
	case RebuildRun, RebuildAll:
	}
	if r.AsOf != "" {
		m, err := refold.ParseMoment(r.AsOf, string(refold.ByRecorded))
		switch {
		case err != nil:
			return err
		case m.Position != nil:
			return e.Freeze(ctx, r.Into, *m.Position)
		}
		return e.FreezeRecorded(ctx, r.Into, m.Time)
	}
	if err := e.Free(ctx); err != nil {
		return err
	}
	plan, err := e.Plan(ctx)
	if err != nil {
		return err
	}
	planned(plan)
	if r.Verb == RebuildRun {
		return e.Run(ctx)
	}
	answer.Proof, err = e.All(ctx, r.Approve)
	answer.Swapped = err == nil
	return err
}

// Rebuilder makes the engine of a ledger that runs. progress may be nil.
func (l *Ledger) Rebuilder(progress func(rebuild.Progress)) (*rebuild.Engine, error) {
	return RebuildEngine(l.Settings, l.Store, l.Logger.With(slog.String("worker", "rebuild")), l.Database.ConnectTo, l.Database.Background,
		l.Freshness, l.freshLately, progress)
}

// freshLately is the slowest of the newest canaries, while they fly.
func (l *Ledger) freshLately() (time.Duration, bool) {
	if l.Settings.CanaryInterval < 0 {
		return 0, false
	}
	switch l.Runner.Role() {
	case projections.Leader, projections.Standby:
	case projections.Starting, projections.Stale, projections.Stopped: // nobody is there to give way to
		return 0, false
	}
	return l.Freshness.Latest()
}

// RebuildStale rebuilds rows that another version of the program made, and approves that they differ: this is what
// the other version is for. The proof is logged and stored.
func (l *Ledger) RebuildStale(ctx context.Context) error {
	e, err := l.Rebuilder(nil)
	if err != nil {
		return err
	}
	defer makeRoom()()
	e.AskedBy("ledger serve --rebuild-if-needed")
	if err := dropOfOtherProgram(ctx, e); err != nil {
		return err
	}
	proof, err := e.All(ctx, "")
	var different *rebuild.DifferentError
	if errors.As(err, &different) {
		proof = different.Proof
		err = e.Swap(ctx, proof.Digest)
	}
	if err != nil {
		return err
	}
	l.Logger.InfoContext(ctx, "the views were rebuilt", slog.Bool("equal", proof.Equal()), slog.String("proof", proof.Digest),
		slog.String("differences", proof.Summary()))
	return nil
}

// dropOfOtherProgram removes tables that yet another version began to build.
func dropOfOtherProgram(ctx context.Context, e *rebuild.Engine) error {
	err := e.Run(ctx)
	if !errors.Is(err, rebuild.ErrOtherProgram) {
		return err
	}
	return e.Drop(ctx, "")
}
