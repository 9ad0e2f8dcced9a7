package main

import (
	"context"
	"io"

	"github.com/vbauerster/mpb/v8"
)

// bar is a progress bar on a terminal, and nothing elsewhere. Its owner calls end; whatever happened to the
// work, that does not wait for anything but the drawing.
type bar struct {
	container *mpb.Progress
	bar       *mpb.Bar
}

// newBar draws until ctx ends or end is called.
func (c *cli) newBar(ctx context.Context, style mpb.BarFillerBuilder, width int, total int64, options ...mpb.BarOption) bar {
	if !c.onTerminal() || c.json {
		return bar{}
	}
	drawing, stop := context.WithCancel(context.WithoutCancel(ctx))
	context.AfterFunc(ctx, func() {
		_, _ = io.WriteString(unfiltered(c.io.err), "\r") // the terminal shows ^C where the last drawing is to go over
		stop()
	})
	container := mpb.NewWithContext(drawing, mpb.WithOutput(unfiltered(c.io.err)), mpb.WithWidth(width))
	return bar{container: container, bar: container.MustAdd(total, style.Build(), options...)}
}

// onTerminal tells whether what is said to people is shown on a terminal.
func (c *cli) onTerminal() bool {
	return terminal(c.io.err) != nil
}

func (b bar) set(done int64) {
	if b.bar != nil {
		b.bar.SetCurrent(done)
	}
}

// setTotal is for a bar that was made with a total of 0; a bar with another total keeps it.
func (b bar) setTotal(total int64) {
	if b.bar != nil {
		b.bar.SetTotal(total, false)
	}
}

// reader counts what is read from in, in bytes.
func (b bar) reader(in io.Reader) io.Reader {
	if b.bar == nil {
		return in
	}
	return b.bar.ProxyReader(in)
}

// say writes whole lines above the bar; false when there is none.
func (b bar) say(lines string) bool {
	if b.container == nil {
		return false
	}
	_, _ = b.container.Write([]byte(visible(lines))) // whoever closed the terminal reads nothing
	return true
}

func (b bar) end() {
	if b.bar == nil {
		return
	}
	b.bar.Abort(false) // one that is complete stays so
	b.container.Wait()
}
