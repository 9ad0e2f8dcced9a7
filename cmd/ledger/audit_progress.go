package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

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

// newAuditShow shows how far an audit of everything is. With --json the lines are JSON, beside the report, which is all of
// standard output.
func (c *cli) newAuditShow(ctx context.Context) *auditShow {
	return &auditShow{
		c: c, ctx: ctx, stage: auditStage, pace: auditPace,
		part: func(p *app.AuditProgress) float64 {
			if p.Total <= 0 {
				return -1
			}
			return float64(p.Done) / float64(p.Total)
		},
		line: func(p *app.AuditProgress) {
			if !c.json {
				c.say("%s%.0f %%%s", auditStage(p), 100*float64(p.Done)/float64(max(p.Total, 1)), auditPace(p))
			} else if line, err := json.Marshal(app.AuditLine{Progress: p}); err == nil {
				_, _ = fmt.Fprintf(c.io.err, "%s\n", line) // whoever closed it reads nothing
			}
		},
	}
}

type auditShow = progressShow[app.AuditProgress]

// auditComplete is what the bar says at the end.
func auditComplete(r *audit.Report) app.AuditProgress {
	return app.AuditProgress{Progress: audit.Progress{Done: int64(r.Orders)}}
}

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
		text += "  " + leftText(p.Left)
	}
	return text
}
