package export

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"
)

const (
	// lakeLineMax bounds one event of the feed.
	lakeLineMax = 16 << 20
	// lakeStall is how long the feed may say nothing before it counts as broken off.
	lakeStall = 2 * time.Minute
)

var errStalled = errors.New("nothing came any more")

// read asks for what follows in the feed, and tells whether there is more than the answer had. When the answer
// breaks off, what came before counts: events come whole and in order, each with its cursor.
func (j *LakeJob) read(ctx context.Context, w *lakeWriter) (more bool, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stall := time.AfterFunc(lakeStall, func() { cancel(errStalled) })
	defer stall.Stop()
	answer, err := j.ask(ctx, w.last)
	if err != nil {
		return false, err
	}
	defer func() { _ = answer.Body.Close() }()
	lines := bufio.NewScanner(answer.Body)
	lines.Buffer(make([]byte, 1<<20), lakeLineMax)
	lines.Split(wholeLines)
	for lines.Scan() {
		stall.Reset(lakeStall)
		if err := w.add(lines.Bytes()); err != nil {
			return false, err
		}
	}
	err = lines.Err()
	if err == nil && answer.Trailer.Get("Link") == "" {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		if errors.Is(context.Cause(ctx), errStalled) {
			err = errStalled
		}
		err = fmt.Errorf("the feed broke off: %w; what came before is in the lake, and running again goes on after it", err)
	}
	return answer.Trailer.Get("Ledger-More") == "true", errors.Join(err, w.commit())
}

// ask asks for the feed after what was committed last.
func (j *LakeJob) ask(ctx context.Context, last LakeManifest) (*http.Response, error) {
	query := url.Values{"test": {"true"}}
	if last.Cursor != "" {
		query.Set("after", last.Cursor)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, j.URL+"/events?"+query.Encode(), nil)
	if err != nil {
		return nil, fmt.Errorf("ask the ledger: %w", err)
	}
	r.Header.Set("Accept", "application/x-ndjson")
	if j.Token != "" {
		r.Header.Set("Authorization", "Bearer "+j.Token)
	}
	answer, err := j.Client.Do(r)
	if err != nil {
		return nil, fmt.Errorf("ask the ledger: %w", err)
	}
	if answer.StatusCode == http.StatusOK {
		return answer, nil
	}
	var p struct{ Code, Detail string }
	_ = json.NewDecoder(io.LimitReader(answer.Body, lakeLineMax)).Decode(&p) // the status must do without it
	_ = answer.Body.Close()
	return nil, fmt.Errorf("the ledger answers %s: %s", answer.Status, p.Detail)
}

// wholeLines splits at line ends. What stands at the end without one was cut off.
func wholeLines(data []byte, atEOF bool) (advance int, token []byte, err error) {
	if i := bytes.IndexByte(data, '\n'); i >= 0 {
		return i + 1, data[:i], nil
	}
	if atEOF && len(data) > 0 {
		return 0, nil, io.ErrUnexpectedEOF
	}
	return 0, nil, nil
}
