package feed

import (
	"bufio"
	"errors"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

const (
	// outputBytes is what is gathered before it is sent.
	outputBytes = 32 << 10
	// compressionWindow bounds the memory of one compressed answer.
	compressionWindow = 128 << 10
	// paceWindows is how often in Config.WriteTimeout it is looked how fast a client is: so that one that is
	// too slow still takes the end of its answer.
	paceWindows = 3
)

// flushWriter is what compresses.
type flushWriter interface {
	io.WriteCloser
	Flush() error
}

// output is an answer's body: gathered, compressed where the client takes it, with a deadline for each
// write, so that a client that takes nothing is noticed.
type output struct {
	buffer     *bufio.Writer
	compressor flushWriter // nil sends as it is
	control    *http.ResponseController
	pace       pace
}

// errSlow says that a client took something, and too little.
var errSlow = errors.New("the client takes less than it must")

// pace measures how fast a client takes what it is sent. Only the time counts that the client made the feed
// wait: reading the log may be slow.
type pace struct {
	bytes  int
	waited time.Duration
	slow   bool // it took less than it must, over a whole window
}

func (p *pace) took(bytes int, waited time.Duration, rate int, window time.Duration) {
	p.bytes, p.waited = p.bytes+bytes, p.waited+waited
	if p.waited < window {
		return
	}
	p.slow = p.slow || float64(p.bytes) < p.waited.Seconds()*float64(rate)
	p.bytes, p.waited = 0, 0
}

// guarded sets the deadline before each write to the connection.
type guarded struct {
	feed *Feed
	out  *output
	w    io.Writer
}

func (g guarded) Write(b []byte) (int, error) {
	c := &g.feed.config
	started := time.Now()
	if err := g.out.control.SetWriteDeadline(started.Add(c.WriteTimeout)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return 0, err
	}
	n, err := g.w.Write(b)
	g.out.pace.took(n, time.Since(started), c.DownloadRate, c.WriteTimeout/paceWindows)
	return n, err
}

// compressed makes the body's writer and the header that tells about it.
func (f *Feed) compressed(w http.ResponseWriter, r *http.Request) *output {
	o := &output{control: http.NewResponseController(w)}
	target := io.Writer(guarded{feed: f, out: o, w: w})
	w.Header().Add("Vary", "Accept-Encoding")
	switch encoding := acceptedEncoding(r.Header.Get("Accept-Encoding")); encoding {
	case "zstd":
		z, err := zstd.NewWriter(target, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1),
			zstd.WithWindowSize(compressionWindow), zstd.WithLowerEncoderMem(true))
		if err == nil { // only options that do not exist are refused
			w.Header().Set("Content-Encoding", encoding)
			o.compressor, target = z, z
		}
	case "gzip":
		z, err := gzip.NewWriterLevel(target, gzip.BestSpeed)
		if err == nil {
			w.Header().Set("Content-Encoding", encoding)
			o.compressor, target = z, z
		}
	}
	o.buffer = bufio.NewWriterSize(target, outputBytes)
	return o
}

func (o *output) Write(b []byte) (int, error) { return o.buffer.Write(b) }

// Flush sends what was gathered to the client.
func (o *output) Flush() error {
	if err := o.buffer.Flush(); err != nil {
		return err
	}
	if o.compressor != nil {
		if err := o.compressor.Flush(); err != nil {
			return err
		}
	}
	return o.control.Flush()
}

// Close sends the rest. It must be called: it releases the compressor.
func (o *output) Close() error {
	err := o.buffer.Flush()
	if o.compressor != nil {
		err = errors.Join(err, o.compressor.Close())
	}
	return err
}

// acceptedEncoding is zstd or gzip where the client takes it, zstd first; empty is none.
func acceptedEncoding(header string) string {
	best := ""
	for part := range strings.SplitSeq(header, ",") {
		name, params, _ := strings.Cut(strings.TrimSpace(part), ";")
		if q, refused := strings.CutPrefix(strings.ReplaceAll(params, " ", ""), "q=0"); refused && strings.Trim(q, ".0") == "" {
			continue
		}
		switch strings.ToLower(strings.TrimSpace(name)) {
		case "zstd":
			return "zstd"
		case "gzip", "x-gzip":
			best = "gzip"
		}
	}
	return best
}

// isSlow tells whether an answer ended because the client took nothing, or too little.
func isSlow(err error) bool { return errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, errSlow) }
