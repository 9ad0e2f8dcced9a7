package app

import (
	"time"

	"github.com/order-ledger/order-ledger/projections/audit"
)

// AuditProgress tells how far an audit of everything is.
type AuditProgress struct {
	audit.Progress

	// Rate is how many of what Done counts a second, since the stage began; Left estimates the rest of the stage.
	Rate float64       `json:"rate"`
	Left time.Duration `json:"left_ns"`
}

// AuditLine is one line of the answer of a running ledger that was asked for lines: how far it is, the end, or an error.
type AuditLine struct {
	Progress *AuditProgress `json:"progress,omitempty"`
	Report   *audit.Report  `json:"report,omitempty"`
	Error    string         `json:"error,omitempty"`
}

// auditToldEvery is the time between two reports of an audit's progress.
const auditToldEvery = 200 * time.Millisecond

// auditMeter adds rates, and tells not too often.
type auditMeter struct {
	tell  func(AuditProgress)
	clock func() time.Time

	stage       audit.Stage
	began, told time.Time
	first       int64
}

func (m *auditMeter) take(p audit.Progress) {
	now := m.clock()
	if p.Stage != m.stage {
		m.stage, m.began, m.first, m.told = p.Stage, now, p.Done, time.Time{}
	}
	if now.Sub(m.told) < auditToldEvery && p.Done < p.Total {
		return
	}
	m.told = now
	told := AuditProgress{Progress: p}
	if took := now.Sub(m.began); took > 0 && p.Done > m.first {
		told.Rate = float64(p.Done-m.first) / took.Seconds()
		told.Left = time.Duration(float64(p.Total-p.Done) / told.Rate * float64(time.Second))
	}
	m.tell(told)
}
