package main

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
)

// saidEvery is the time between two lines about progress where there is no bar, and before the first.
const saidEvery = 5 * time.Second

// wholeBar is the length of a bar in steps.
const wholeBar = 1000

// progressShow shows how far something is: a bar on a terminal, a line every saidEvery elsewhere. Its owner calls end.
type progressShow[P any] struct {
	c   *cli
	ctx context.Context // of the command: the bar ends with it
	// part is what is done, from 0 to 1; negative when that is not known. stage and pace stand before and behind the bar.
	part        func(*P) float64
	stage, pace func(*P) string
	// line says the same where there is no bar.
	line func(*P)

	bar    bar
	latest atomic.Pointer[P]
	said   time.Time
}

func (s *progressShow[P]) progress(p P) {
	now := time.Now()
	if s.latest.Swap(&p) == nil {
		const width = 30
		s.said = now
		s.bar = s.c.newBar(s.ctx, mpb.BarStyle(), width, wholeBar,
			mpb.PrependDecorators(decor.Any(func(decor.Statistics) string { return s.stage(s.latest.Load()) })),
			mpb.AppendDecorators(decor.Percentage(decor.WC{W: 5}), decor.Any(func(decor.Statistics) string { return s.pace(s.latest.Load()) })))
	}
	part := s.part(&p)
	switch onTerminal := s.c.onTerminal() && !s.c.json; {
	case onTerminal && part >= 0:
		s.bar.set(int64(part * (wholeBar - 1))) // the end of the command is its end
	case onTerminal || now.Sub(s.said) < saidEvery:
	default:
		s.said = now
		s.line(&p)
	}
}

// complete shows that all of it is done; nothing when it never began.
func (s *progressShow[P]) complete(p P) {
	if s.latest.Load() != nil {
		s.latest.Store(&p)
		s.bar.set(wholeBar)
	}
}

func (s *progressShow[P]) end() { s.bar.end() }

// leftText is how long something still takes, for people.
func leftText(left time.Duration) string {
	return max(left, time.Second).Round(time.Second).String() + " left"
}
