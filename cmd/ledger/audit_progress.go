package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"github.com/order-ledger/order-ledger/cmd/internal/app"
	"github.com/order-ledger/order-ledger/projections/audit"
)

// auditThrough asks the running ledger to audit everything.
func (c *cli) auditThrough(ctx context.Context, url string, request app.AuditRequest, show *auditShow) (report audit.Report, err error) {
	complete := false
	err = c.askLines(ctx, url+"/audit", request, func(raw []byte) error {
		var line app.AuditLine
		if err := json.Unmarshal(raw, &line); err != nil {
			return fmt.Errorf("read the answer of the running ledger: %w", err)
		}
		switch {
		case line.Error != "":
			return errors.New(line.Error)
		case line.Report != nil:
			report, complete = *line.Report, true
		case line.Progress != nil:
			show.progress(*line.Progress)
		}
		return nil
	})
	if err == nil && !complete {
		err = errors.Join(errors.New("the running ledger went away; audit again"), ctx.Err())
	}
	return report, err
}

// saidEvery is the time between two lines about progress where there is no bar, and before the first.
const saidEvery = 5 * time.Second

// auditShow shows how far an audit of everything is: a bar on a terminal, a line every saidEvery elsewhere. With --json these
// are JSON, beside the report, which is all of standard output.
type auditShow struct {
	c      *cli
	ctx    context.Context // of the command: the bar ends with it
	bar    bar
	latest atomic.Pointer[app.AuditProgress]
	said   time.Time
}

func (s *auditShow) progress(p app.AuditProgress) {
	now := time.Now()
	if s.latest.Swap(&p) == nil {
		const width = 30
		s.said = now
		s.bar = s.c.newBar(s.ctx, mpb.BarStyle(), width, wholeBar,
			mpb.PrependDecorators(decor.Any(func(decor.Statistics) string { return auditStage(s.latest.Load()) })),
			mpb.AppendDecorators(decor.Percentage(decor.WC{W: 5}), decor.Any(func(decor.Statistics) string { return auditPace(s.latest.Load()) })))
	}
	if s.c.onTerminal() && !s.c.json {
		if p.Total > 0 {
			s.bar.set(int64(float64(p.Done) / float64(p.Total) * (wholeBar - 1)))
		}
		return
	}
	if now.Sub(s.said) < saidEvery {
		return
	}
	s.said = now
	if s.c.json {
		if line, err := json.Marshal(app.AuditLine{Progress: &p}); err == nil {
			_, _ = fmt.Fprintf(s.c.io.err, "%s\n", line) // whoever closed it reads nothing
		}
		return
	}
	s.c.say("%s%.0f %%%s", auditStage(&p), 100*float64(p.Done)/float64(max(p.Total, 1)), auditPace(&p))
}

// complete shows that all of it is done.
func (s *auditShow) complete(r *audit.Report) {
	if s.latest.Load() != nil {
		s.latest.Store(&app.AuditProgress{Progress: audit.Progress{Done: int64(r.Orders)}})
		s.bar.set(wholeBar)
	}
}

func (s *auditShow) end() { s.bar.end() }

func auditStage(p *app.AuditProgress) string {
	switch p.Stage {
	case audit.AlongTheLog:
		return "what only the log knows, and what belongs to no order  "
	case "":
		return fmt.Sprintf("audited %s orders  ", grouped(p.Done))
	case audit.OrderByOrder:
	}
	return fmt.Sprintf("%s of %s orders  ", grouped(p.Done), grouped(p.Total))
}

// auditPace is orders/s, and what is left of the stage.
func auditPace(p *app.AuditProgress) string {
	text := ""
	if p.Rate > 0 && p.Stage == audit.OrderByOrder {
		text += fmt.Sprintf("  %s orders/s", grouped(int64(p.Rate)))
	}
	if p.Left > 0 {
		text += "  " + max(p.Left, time.Second).Round(time.Second).String() + " left"
	}
	return text
}
