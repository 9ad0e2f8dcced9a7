package reportservice

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	// pageEvents is how many events are asked for and counted at a time.
	pageEvents = 1_000
	// longPoll is how long the ledger holds an answer back when there is nothing new.
	longPoll = 30 * time.Second
	// answerTimeout bounds a request, answerBytesMax what is read of its answer.
	answerTimeout  = longPoll + 30*time.Second
	answerBytesMax = 64 << 20
	// backoffMin and backoffMax bound the wait after the ledger could not be reached.
	backoffMin = 100 * time.Millisecond
	backoffMax = 10 * time.Second
)

// Config says what to follow.
type Config struct {
	// URL is the ledger's, without a path.
	URL string
	// Token has the scope feed:read; empty for a ledger on a loopback address.
	Token  string
	Store  *Store
	Logger *slog.Logger
	// Once ends Run at the present end of the feed.
	Once bool
	// Counted is called after each page; nil is nobody.
	Counted func(events int64)
}

// RefusedError says that the ledger answered that it will never answer this: repeating does not help.
type RefusedError struct {
	Status       int
	Code, Detail string
}

func (e *RefusedError) Error() string {
	return fmt.Sprintf("the ledger refuses (%d %s): %s", e.Status, e.Code, e.Detail)
}

type feedPage struct {
	Events []Event `json:"events"`
	Cursor string  `json:"cursor"`
	More   bool    `json:"more"`
}

// Run follows the feed until ctx ends, which is no error. A ledger that cannot be reached is asked again.
//
// Errors: *RefusedError, *UnknownError, and of the database.
func Run(ctx context.Context, c Config) error {
	if _, err := url.ParseRequestURI(c.URL); err != nil {
		return fmt.Errorf("the ledger's URL: %w", err)
	}
	types := strings.Join(slices.Sorted(maps.Keys(rules())), ",")
	client := &http.Client{Timeout: answerTimeout}
	defer client.CloseIdleConnections()
	wait := backoffMin
	for {
		cursor, _, err := c.Store.Cursor(ctx)
		if err != nil {
			return ended(ctx, err)
		}
		page, err := c.ask(ctx, client, cursor, types)
		var refused *RefusedError
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.As(err, &refused):
			return err
		case err != nil:
			c.Logger.WarnContext(ctx, "the feed cannot be read; asking again", slog.Any("error", err), slog.Duration("in", wait))
			if !pause(ctx, wait) {
				return nil
			}
			wait = min(2*wait, backoffMax)
			continue
		}
		wait = backoffMin
		if page.Cursor != cursor || len(page.Events) > 0 {
			if err := c.Store.Count(ctx, cursor, page.Events, page.Cursor); err != nil {
				return ended(ctx, err)
			}
		}
		if c.Counted != nil {
			c.Counted(int64(len(page.Events)))
		}
		if c.Once && !page.More {
			return nil
		}
	}
}

// ended hides errors that only say that ctx ended.
func ended(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil //nolint:nilerr // the caller ended it
	}
	return err
}

// pause waits; false when ctx ended.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

func (c *Config) ask(ctx context.Context, client *http.Client, cursor, types string) (page feedPage, err error) {
	query := url.Values{"limit": {strconv.Itoa(pageEvents)}, "type": {types}}
	if cursor != "" {
		query.Set("after", cursor)
	}
	if !c.Once {
		query.Set("wait", longPoll.String())
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, c.URL+"/events?"+query.Encode(), nil)
	if err != nil {
		return page, fmt.Errorf("ask the ledger: %w", err)
	}
	r.Header.Set("Accept", "application/json")
	if c.Token != "" {
		r.Header.Set("Authorization", "Bearer "+c.Token)
	}
	answer, err := client.Do(r)
	if err != nil {
		return page, fmt.Errorf("ask the ledger: %w", err)
	}
	defer func() { err = errors.Join(err, answer.Body.Close()) }()
	body, err := io.ReadAll(io.LimitReader(answer.Body, answerBytesMax))
	if err != nil {
		return page, fmt.Errorf("read the ledger's answer: %w", err)
	}
	switch {
	case answer.StatusCode == http.StatusOK:
		if err := json.Unmarshal(body, &page); err != nil {
			return page, fmt.Errorf("read the ledger's answer: %w", err)
		}
		return page, nil
	case answer.StatusCode/100 == 4 && answer.StatusCode != http.StatusTooManyRequests:
		var problem struct{ Code, Detail string }
		_ = json.Unmarshal(body, &problem) // without it the status must do
		return page, &RefusedError{answer.StatusCode, problem.Code, problem.Detail}
	}
	return page, fmt.Errorf("the ledger answers %s", answer.Status)
}
