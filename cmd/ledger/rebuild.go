package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"os/user"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"

	"github.com/order-ledger/order-ledger/cmd/internal/app"
	"github.com/order-ledger/order-ledger/cmd/internal/config"
	"github.com/order-ledger/order-ledger/projections/checkpoint"
	"github.com/order-ledger/order-ledger/projections/freshness"
	"github.com/order-ledger/order-ledger/projections/rebuild"
	"github.com/order-ledger/order-ledger/projections/schema"
)

// rebuildCollect is how much garbage there may be, in percent of what is in use, while nothing but a rebuild runs.
const rebuildCollect = 300

func (c *cli) rebuild() *cobra.Command {
	var request app.RebuildRequest
	parent := &cobra.Command{
		Example: `  ledger rebuild
  ledger rebuild plan
  ledger rebuild --as-of 2026-10-31 --into month_2026_10
  ledger rebuild drop --into month_2026_10`,
		Use:   "rebuild [COMMAND]",
		Short: "Build all views anew from the log, prove them, swap them in",
		Long: `rebuild builds all read models in tables of their own beside the live ones, compares
every row with them at the same position of the log, and puts them in their place
in one short transaction. Views stay readable, and grants on them stay. What was
live is kept for the way back: ledger rebuild rollback.

Without a verb it plans, runs, verifies and swaps. When the new rows differ from
the live ones, it shows the differing orders and columns, swaps nothing, and ends
with exit code 4; after you have looked: ledger rebuild --approve DIGEST.

A rebuild that was interrupted in any way goes on when it is run again. With a
ledger running, it works inside of that one, and gives way to it.

  ledger rebuild --as-of 2026-10-31 --into month_2026_10

makes a frozen copy of all views, as they were known at that moment, in a schema
of its own. ledger rebuild verify --into month_2026_10 tells whether its rows are what
they were when it was made, and ledger rebuild drop --into month_2026_10 removes it.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return c.runRebuild(cmd.Context(), request) },
	}
	approve := func(cmd *cobra.Command) {
		cmd.Flags().StringVar(&request.Approve, "approve", "", "digest of a difference that may be swapped in")
	}
	approve(parent)
	parent.Flags().StringVar(&request.AsOf, "as-of", "", "make a frozen copy as of a time, a date (its end, UTC) or a position")
	parent.Flags().StringVar(&request.Into, "into", "", "the schema of the frozen copy")
	for verb, short := range map[app.RebuildVerb]string{
		app.RebuildPlan:     "Events, rows, disk and duration, before anything is done",
		app.RebuildRun:      "Build the new tables, or go on building them",
		app.RebuildStatus:   "What stands beside the live tables",
		app.RebuildVerify:   "Compare the new tables with the live ones at the same position",
		app.RebuildSwap:     "Put the new tables in the place of the live ones",
		app.RebuildRollback: "Make the tables live again that a swap replaced",
		app.RebuildDrop:     "Remove what stands beside the live tables",
	} {
		cmd := &cobra.Command{
			Use: string(verb), Short: short, Args: cobra.NoArgs,
			RunE: func(cmd *cobra.Command, _ []string) error {
				request.Verb = verb
				return c.runRebuild(cmd.Context(), request)
			},
		}
		switch verb {
		case app.RebuildSwap:
			approve(cmd)
		case app.RebuildDrop:
			cmd.Flags().StringVar(&request.Into, "into", "", "the schema of a frozen copy, to remove that instead")
		case app.RebuildVerify:
			cmd.Flags().StringVar(&request.Into, "into", "", "the schema of a frozen copy, to compare that with what it was when it was made")
		case app.RebuildRollback:
			cmd.Flags().BoolVar(&request.OtherVersion, "other-version", false, "also when another version made those tables, which this one does not serve")
		case app.RebuildAll, app.RebuildPlan, app.RebuildRun, app.RebuildStatus:
		}
		parent.AddCommand(cmd)
	}
	return parent
}

func (c *cli) runRebuild(ctx context.Context, request app.RebuildRequest) error {
	if err := request.Validate(); err != nil {
		return &exitError{code: exitUsage, err: err}
	}
	request.By = systemUser()
	show := c.newRebuildShow(ctx)
	defer show.end()
	var answer *app.RebuildAnswer
	var err error
	switch url := c.runningLedger(); {
	case url != "":
		answer, err = c.rebuildThrough(ctx, url, request, show)
	case request.Verb == app.RebuildStatus:
		answer, err = c.standingRebuild(ctx)
	default:
		answer, err = c.rebuildHere(ctx, request, show)
	}
	if err == nil && !answer.Refused {
		show.complete()
	}
	show.end()
	if err != nil && ctx.Err() != nil && (request.Verb == app.RebuildAll || request.Verb == app.RebuildRun) {
		return errors.New("stopped; the same command goes on where it was")
	}
	if err != nil {
		return err
	}
	return c.showRebuild(request, answer)
}

// standingRebuild asks the database alone: the process that rebuilds holds the log.
func (c *cli) standingRebuild(ctx context.Context) (answer *app.RebuildAnswer, err error) {
	if !c.hasDatabase() {
		return nil, c.noViews()
	}
	err = c.withDatabase(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		answer, err = app.StandingRebuild(ctx, conn)
		return err
	})
	return answer, err
}

// rebuildHere opens the log itself.
func (c *cli) rebuildHere(ctx context.Context, request app.RebuildRequest, show *rebuildShow) (answer *app.RebuildAnswer, err error) {
	debug.SetMemoryLimit(app.RebuildMemory)
	debug.SetGCPercent(rebuildCollect)
	use := c.withBoth
	if request.MakesViews() { // of a database that was lost nothing is there
		use = c.withLogAndDatabase
	}
	err = use(ctx, func(ctx context.Context, log *app.Store, _ config.Accounts, conn *pgx.Conn) error {
		url := conn.Config().ConnString()
		connect := func(ctx context.Context, tables string) (*pgx.Conn, error) { return schema.Connect(ctx, url, tables) }
		var measured *freshness.Prober
		fresh := func() (time.Duration, bool) { return 0, false }
		if c.settings.EventStore != config.Embedded { // a ledger may be running elsewhere
			live, err := connect(ctx, schema.Live)
			if err != nil {
				return err
			}
			measured = freshness.New(freshness.Config{
				Log: log, Logger: slog.New(slog.DiscardHandler), Clock: time.Now, Views: func() checkpoint.Querier { return live },
			})
			fresh = measured.Latest
			watchCtx, stop := context.WithCancel(ctx)
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				_ = measured.Run(watchCtx) // it only measures
			}()
			defer func() {
				stop()
				<-ended
				_ = live.Close(context.WithoutCancel(ctx))
			}()
		}
		engine, err := app.RebuildEngine(c.settings, log, c.logger(slog.LevelWarn), connect, nil, measured, fresh, show.progress)
		if err != nil {
			return err
		}
		answer, err = request.Run(ctx, engine, show.plan)
		if app.RebuildNotFound(err) {
			err = &exitError{code: exitNotFound, err: err}
		}
		return err
	})
	return answer, err
}

// rebuildThrough asks the ledger that holds the log.
func (c *cli) rebuildThrough(ctx context.Context, url string, request app.RebuildRequest, show *rebuildShow) (*app.RebuildAnswer, error) {
	var answer *app.RebuildAnswer
	err := c.askLines(ctx, url+"/rebuild", request, func(raw []byte) error {
		var line app.RebuildLine
		if err := json.Unmarshal(raw, &line); err != nil {
			return fmt.Errorf("read the answer of the running ledger: %w", err)
		}
		switch {
		case line.NotFound:
			return &exitError{code: exitNotFound, err: errors.New(line.Error)}
		case line.Error != "":
			return errors.New(line.Error)
		case line.Answer != nil:
			answer = line.Answer
		case line.Plan != nil:
			show.plan(line.Plan)
		case line.Progress != nil:
			show.progress(*line.Progress)
		}
		return nil
	})
	if err == nil && answer == nil {
		err = errors.Join(errors.New("the running ledger went away; run the rebuild again, it goes on where it was"), ctx.Err())
	}
	return answer, err
}

// rebuildShow shows plan and progress: one bar for everything on a terminal, lines of JSON for machines, now and then a
// sentence elsewhere.
type rebuildShow struct {
	*progressShow[rebuild.Progress]
	// events are those of a rebuild that was begun at began; 0 of one that goes on, or of a part of one.
	events int64
	began  time.Time
}

func (c *cli) newRebuildShow(ctx context.Context) *rebuildShow {
	return &rebuildShow{progressShow: &progressShow[rebuild.Progress]{
		c: c, ctx: ctx, stage: stageText, pace: paceText,
		part: func(p *rebuild.Progress) float64 { return p.Whole },
		line: func(p *rebuild.Progress) {
			c.say("%s; of everything %.0f %%%s", strings.TrimSpace(stageText(p)), 100*p.Whole, paceText(p))
		},
	}}
}

func (s *rebuildShow) plan(p *rebuild.Plan) {
	if s.began = time.Now(); p.Continues == "" {
		s.events = p.Events
	}
	if s.c.json {
		_ = s.c.writeLine(app.RebuildLine{Plan: p})
		return
	}
	switch {
	case p.BeginsAnew != "":
		s.c.say("what was begun is not continued: %s", p.BeginsAnew)
	case p.Continues != "":
		s.c.say("going on with a rebuild in stage %s", p.Continues)
	}
	s.c.say("about %s events, %s of disk for the tables and %s while it works, about %s", grouped(p.Events), size(p.DatabaseBytes),
		size(p.WorkBytes+p.SpillBytes), takesText(p))
}

func (s *rebuildShow) progress(p rebuild.Progress) {
	if s.c.json {
		_ = s.c.writeLine(app.RebuildLine{Progress: &p})
		return
	}
	s.progressShow.progress(p)
}

// doneStage is what the bar says at the end.
const doneStage = "done"

// stageText is the stage and how far it is.
func stageText(p *rebuild.Progress) string {
	part := 100.0
	if p.Total > 0 && p.Done < p.Total {
		part = 100 * float64(p.Done) / float64(p.Total)
	}
	return fmt.Sprintf("%-11s %3.0f %% ", strings.ReplaceAll(strings.ToLower(p.Stage), "_", " "), part)
}

// paceText is whether it gives way, events/s of the stage, what is left of everything, and the position.
func paceText(p *rebuild.Progress) string {
	text := ""
	if p.GivesWay {
		text += "  gives way"
	}
	if p.Rate > 0 { // not every stage counts events
		text += fmt.Sprintf("  %s events/s", grouped(int64(p.Rate)))
	}
	if p.WholeLeft > 0 {
		text += "  " + leftText(p.WholeLeft)
	}
	if p.Position.Commit > 0 {
		text += fmt.Sprintf("  at %d", p.Position.Commit)
	}
	return text
}

// complete shows that all of it is done, and at what pace.
func (s *rebuildShow) complete() {
	if p := s.latest.Load(); p != nil && !s.c.json {
		s.progressShow.complete(rebuild.Progress{Stage: doneStage, Position: p.Position, Rate: float64(s.events) / time.Since(s.began).Seconds()})
	}
}

func (c *cli) showRebuild(request app.RebuildRequest, answer *app.RebuildAnswer) error {
	refused := error(nil)
	if answer.Refused || (request.Verb == app.RebuildVerify && answer.Proof != nil && !answer.Proof.Equal()) {
		other := ""
		if request.Approve != "" {
			other = fmt.Sprintf("%q is not the digest of this difference: ", request.Approve)
		}
		refused = &exitError{code: exitDiffers, err: fmt.Errorf("%sthe new rows differ from the live ones, and nothing was swapped; "+
			"after you have looked: `ledger rebuild swap --approve %s`", other, answer.Proof.Digest)}
	}
	if p := answer.Copy; p != nil && len(p.Changed) > 0 {
		refused = &exitError{code: exitDiffers, err: fmt.Errorf("the frozen copy %s is not what it was when it was made: %s", p.Views, strings.Join(p.Changed, ", "))}
	}
	if c.json {
		return errors.Join(c.writeLine(app.RebuildLine{Answer: answer}), refused)
	}
	switch {
	case request.Verb == app.RebuildPlan:
		c.showPlan(answer.Plan)
	case request.Verb == app.RebuildStatus:
		c.showAtWork(answer.AtWork)
		c.showSets(answer)
		c.showDone(answer.Done)
	case request.Verb == app.RebuildDrop:
		c.say("removed")
	case answer.Copy != nil:
		c.showCopyProof(answer.Copy)
	case request.Into != "":
		c.say("schema %s shows all views as of %s", request.Into, request.AsOf)
		for i := range answer.Sets {
			if s := &answer.Sets[i]; s.Views == request.Into && s.Digest != nil {
				c.say("digest %s; `ledger rebuild verify --into %s` tells whether it is still that", s.Digest.Digest, s.Views)
			}
		}
	}
	if answer.Proof != nil {
		c.showProof(answer.Proof)
	}
	switch {
	case answer.Swapped && request.OtherVersion:
		c.say("the tables from before the swap are live again; if another version made them, their views are served by that version alone, until " +
			"`ledger rebuild` builds them anew for this one")
	case answer.Swapped && request.Verb == app.RebuildRollback:
		c.say("the tables from before the swap are live again, and follow the log from where they stood")
	case answer.Swapped:
		c.say("the new tables are live; `ledger rebuild rollback` leads back, `ledger rebuild drop` gives the space of the old ones back")
	case request.Verb == app.RebuildRun:
		c.say("the new tables are built; next: `ledger rebuild verify`, `ledger rebuild swap`")
	}
	if x := answer.Exchanged; x != nil {
		c.say("exchanged in %s, attempt %d; the projector waited %s", x.Took.Round(time.Millisecond), x.Attempts, x.Held.Round(time.Millisecond))
	}
	return refused
}

// takesText is how long a rebuild takes, for people.
func takesText(p *rebuild.Plan) string {
	text := max(p.Takes, time.Second).Round(time.Second).String()
	if p.Measured {
		return text + " by the pace of the last one"
	}
	return text
}

func (c *cli) showPlan(p *rebuild.Plan) {
	t := c.newTable("table", "rows", "bytes")
	for _, row := range p.Tables {
		t.AppendRow(table.Row{row.Table, grouped(row.Rows), size(row.Bytes)})
	}
	t.Render()
	t = c.newTable()
	t.AppendRows([]table.Row{
		{"events", grouped(p.Events)}, {"up to position", p.Target.String()}, {"disk for the tables", size(p.DatabaseBytes)},
		{"disk while it works", size(p.WorkBytes+p.SpillBytes) + " more"},
	})
	if p.FreeBytes > 0 {
		t.AppendRow(table.Row{"disk that is free", size(int64(p.FreeBytes))})
		if !p.Fits {
			t.AppendRow(table.Row{"does it fit?", "NO: `ledger rebuild` would not begin"})
		}
	}
	t.AppendRows([]table.Row{{"one processor folds", grouped(int64(p.FoldRate)) + " events/s"}, {"takes about", takesText(p) + "; longer while events come"}})
	if p.BeginsAnew != "" {
		t.AppendRow(table.Row{"begins anew", p.BeginsAnew})
	}
	if p.Continues != "" {
		t.AppendRow(table.Row{"goes on in stage", p.Continues})
	}
	t.Render()
}

// showAtWork shows what is being done at the moment.
func (c *cli) showAtWork(w *rebuild.Work) {
	if w == nil {
		return
	}
	t := c.newTable("at work", w.Doing)
	t.AppendRows([]table.Row{{"process", fmt.Sprintf("%d on %s", w.PID, w.Host)}, {"since", w.BeganAt.Format("2006-01-02 15:04:05") + " UTC"}})
	if p := w.Progress; p != nil {
		t.AppendRows([]table.Row{{"stage", strings.TrimSpace(stageText(p))}, {"events/s", grouped(int64(p.Rate))}, {"position", p.Position.Commit}})
		if p.Left > 0 {
			t.AppendRow(table.Row{"left of the stage", p.Left.Round(time.Second).String()})
		}
		t.AppendRow(table.Row{"of everything", fmt.Sprintf("%.0f %%, %s", 100*p.Whole, leftText(p.WholeLeft))})
		if p.GivesWay {
			t.AppendRow(table.Row{"gives way", "to live events: it works a part of its time"})
		}
	}
	t.Render()
}

func (c *cli) showSets(answer *app.RebuildAnswer) {
	if len(answer.Sets) == 0 {
		c.say("nothing stands beside the live tables")
		return
	}
	t := c.newTable("tables", "views", "stage", "done", "as of", "proven", "since, UTC")
	for i := range answer.Sets {
		s := &answer.Sets[i]
		proven := ""
		switch {
		case s.Digest != nil:
			proven = "digest " + s.Digest.Digest
		case s.Stage == rebuild.Frozen:
			proven = "no digest: an earlier version made it"
		case s.Proof == nil:
		case s.Stage == rebuild.Built && !s.Proof.Counts():
			proven = "in another way, by another version: verify anew"
		case !s.Proof.Compared:
			proven = "nothing to compare with"
		case s.Proof.Equal():
			proven = "equal at " + s.Proof.Position.String()
		default:
			proven = "DIFFERENT, " + s.Proof.Digest
		}
		t.AppendRow(table.Row{s.Tables, s.Views, s.Stage, doneText(s), strings.TrimPrefix(s.AsOf(), "position "), proven, s.UpdatedAt.Format("2006-01-02 15:04:05")})
	}
	t.Render()
	for i := range answer.Sets {
		if s := &answer.Sets[i]; answer.AtWork == nil && s.Unfinished() {
			c.say("%s is unfinished and nobody works on it: the same command goes on where it was", s.Tables)
		}
	}
}

// showDone shows what was done to tables.
func (c *cli) showDone(done []rebuild.Done) {
	if len(done) == 0 {
		return
	}
	t := c.newTable("at, UTC", "done", "tables", "by", "proof", "approved differences")
	for i := range done {
		d := &done[i]
		t.AppendRow(table.Row{d.At.Format("2006-01-02 15:04:05"), d.Doing, d.Tables, d.By + " on " + d.Host, d.Proof, d.Summary()})
	}
	t.Render()
}

// systemUser is the user of the operating system.
func systemUser() string {
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return fmt.Sprintf("user %d", os.Getuid())
}

// doneText is how far the stage of a set of tables is, where that is recorded.
func doneText(s *rebuild.Set) string {
	if s.Stage == rebuild.Loading && s.Events > 0 {
		return fmt.Sprintf("%s of %s events, %d %%", grouped(s.Loaded), grouped(s.Events), 100*s.Loaded/s.Events)
	}
	return ""
}

// digestShown is how much of the digest of a table people see; --json tells all of it.
const digestShown = 12

func (c *cli) showProof(p *rebuild.Proof) {
	if !p.Compared {
		c.say("the live tables were empty: there was nothing to compare with")
		return
	}
	t := c.newTable("table", "live rows", "new rows", "", "digest")
	for i := range p.Models {
		m := &p.Models[i]
		t.AppendRow(table.Row{m.Table, grouped(m.LiveRows), grouped(m.NextRows), verdictText(m), m.NextSum[:min(len(m.NextSum), digestShown)]})
	}
	t.Render()
	if p.Equal() {
		c.say("all rows are equal at position %s; digest %s", p.Position, p.Digest)
		return
	}
	if p.OtherLog {
		c.say("the live tables are of another log, or of a later state of this one: they stand at %s, and the new ones at %s", p.Live, p.Position)
	}
	c.showDifferences(p)
}

// showCopyProof shows what a frozen copy was and is.
func (c *cli) showCopyProof(p *rebuild.CopyProof) {
	is := make(map[string]rebuild.ModelDigest, len(p.Is.Models))
	for _, m := range p.Is.Models {
		is[m.Table] = m
	}
	t := c.newTable("table", "rows when made", "rows now", "", "digest now")
	for _, was := range p.Was.Models {
		now, there := is[was.Table]
		delete(is, was.Table)
		switch {
		case !there:
			t.AppendRow(table.Row{was.Table, grouped(was.Rows), "", "GONE", ""})
		case now == was:
			t.AppendRow(table.Row{was.Table, grouped(was.Rows), grouped(now.Rows), "as it was", now.Digest[:min(len(now.Digest), digestShown)]})
		default:
			t.AppendRow(table.Row{was.Table, grouped(was.Rows), grouped(now.Rows), "CHANGED", now.Digest[:min(len(now.Digest), digestShown)]})
		}
	}
	for _, name := range slices.Sorted(maps.Keys(is)) {
		t.AppendRow(table.Row{name, "", grouped(is[name].Rows), "NOT OF IT", ""})
	}
	t.Render()
	if len(p.Changed) == 0 {
		c.say("the frozen copy %s is what it was when it was made at %s UTC; digest %s", p.Views, p.Was.At.Format("2006-01-02 15:04:05"), p.Was.Digest)
	}
}

// writeLine writes one line of JSON to standard output.
func (c *cli) writeLine(v any) error {
	raw, err := json.Marshal(v)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(c.io.out, "%s\n", raw)
	return err
}

// grouped is a number with spaces between thousands.
func grouped(n int64) string {
	text := fmt.Sprint(n)
	for i := len(text) - 3; i > 0 && text[i-1] != '-'; i -= 3 {
		text = text[:i] + " " + text[i:]
	}
	return text
}

// size is a number of bytes for people.
func size(bytes int64) string {
	switch {
	case bytes >= 10<<30:
		return fmt.Sprintf("%d GiB", bytes>>30)
	case bytes >= 10<<20:
		return fmt.Sprintf("%d MiB", bytes>>20)
	}
	return fmt.Sprintf("%d KiB", bytes>>10)
}
