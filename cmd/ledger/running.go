package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/order-ledger/order-ledger/cmd/internal/app"
	"github.com/order-ledger/order-ledger/cmd/internal/config"
	"github.com/order-ledger/order-ledger/cmd/internal/web"
)

// ask sends a request to a running ledger, with the token of the data directory, and decodes the
// answer. A problem is the error; one of status 404 has its exit code.
func (c *cli) ask(ctx context.Context, method, url string, body, into any) error {
	return askWith(ctx, c.httpClient(), c.settings.TokenFile(), method, url, body, into)
}

// askWith is ask by another client, and with the token in another file.
func askWith(ctx context.Context, client *http.Client, tokenFile, method, url string, body, into any) error {
	var payload io.Reader
	if body != nil {
		raw, err := json.Marshal(body)
		if err != nil {
			return err
		}
		payload = bytes.NewReader(raw)
	}
	req, err := http.NewRequestWithContext(ctx, method, url, payload)
	if err != nil {
		return err
	}
	token, err := os.ReadFile(tokenFile)
	switch {
	case err == nil:
		req.Header.Set("Authorization", "Bearer "+string(token))
	case method != http.MethodGet: // on a loopback address anybody may read
		return fmt.Errorf("a ledger is running, and its token cannot be read: %w", err)
	}
	answer, err := client.Do(req)
	if err != nil {
		return fmt.Errorf("ask the running ledger: %w", err)
	}
	defer func() { _ = answer.Body.Close() }()
	if answer.StatusCode != http.StatusOK {
		var p web.Problem
		_ = json.NewDecoder(io.LimitReader(answer.Body, 1<<16)).Decode(&p)
		if p.Detail == "" {
			p.Detail = answer.Status
		}
		if answer.StatusCode == http.StatusNotFound {
			return &exitError{code: exitNotFound, err: errors.New(p.Detail)}
		}
		return errors.New(p.Detail)
	}
	if err := json.NewDecoder(answer.Body).Decode(into); err != nil {
		return fmt.Errorf("read the answer of the running ledger: %w", err)
	}
	return nil
}

// pathSegment escapes a name in a path of the running ledger, "." and ".." included, which would lead elsewhere.
func pathSegment(name string) string {
	if name == "." || name == ".." {
		return strings.ReplaceAll(name, ".", "%2E")
	}
	return url.PathEscape(name)
}

// askLines sends a request to a running ledger, with the token of the data directory, and has each line of the answer taken
// as it comes. An answer that is cut off is its end.
func (c *cli) askLines(ctx context.Context, url string, body any, take func(line []byte) error) error {
	token, err := os.ReadFile(c.settings.TokenFile())
	if err != nil {
		return fmt.Errorf("a ledger is running, and its token cannot be read: %w", err)
	}
	payload, err := json.Marshal(body)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(payload))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+string(token))
	req.Header.Set("Accept", "application/x-ndjson")
	answer, err := c.httpClient().Do(req)
	if err != nil {
		return fmt.Errorf("ask the running ledger: %w", err)
	}
	defer func() { _ = answer.Body.Close() }()
	if answer.StatusCode != http.StatusOK {
		var p web.Problem
		_ = json.NewDecoder(answer.Body).Decode(&p)
		return fmt.Errorf("the running ledger answered %s: %s", answer.Status, p.Detail)
	}
	lines := bufio.NewScanner(answer.Body)
	const lineMost = 64 << 20
	lines.Buffer(nil, lineMost)
	for lines.Scan() {
		if err := take(lines.Bytes()); err != nil {
			return err
		}
	}
	return nil
}

// withLog opens the event log, which nobody may be using when it is the embedded one, and closes it
// again.
func (c *cli) withLog(use func(log *app.Store, accounts config.Accounts) error) (err error) {
	c.settings.Offline = true
	accounts, err := config.LoadAccounts(c.settings)
	if err != nil {
		return err
	}
	if c.settings.EventStore == config.Embedded {
		if _, err := os.Stat(c.settings.EventsDir()); errors.Is(err, os.ErrNotExist) {
			return &exitError{code: exitNotFound, err: fmt.Errorf("there is no event log in %s yet", c.settings.DataDir)}
		}
	}
	store, err := app.OpenStore(c.settings, c.logger(slog.LevelWarn))
	if err != nil {
		return c.explain(err)
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	return use(store, accounts)
}

// withBoth opens the event log and the database of the views.
func (c *cli) withBoth(
	ctx context.Context, use func(ctx context.Context, log *app.Store, accounts config.Accounts, conn *pgx.Conn) error,
) error {
	if !c.hasDatabase() {
		return c.noViews()
	}
	return c.withLogAndDatabase(ctx, use)
}

// withLogAndDatabase is withBoth that makes a database where there is none, for a log that is there.
func (c *cli) withLogAndDatabase(
	ctx context.Context, use func(ctx context.Context, log *app.Store, accounts config.Accounts, conn *pgx.Conn) error,
) error {
	return c.withLog(func(log *app.Store, accounts config.Accounts) error {
		return c.withDatabase(ctx, func(ctx context.Context, conn *pgx.Conn) error {
			return use(ctx, log, accounts, conn)
		})
	})
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

func (c *cli) noViews() error {
	if demo := (config.Settings{DataDir: filepath.Join(c.settings.DataDir, demoFolder)}); isDir(demo.PostgresDir()) {
		return &exitError{code: exitNotFound, err: fmt.Errorf("there are no views in %s yet, but a demo's: `--data-dir %s`", c.settings.DataDir, demo.DataDir)}
	}
	return &exitError{code: exitNotFound, err: fmt.Errorf("there are no views in %s yet: `ledger serve` and `ledger ingest` make them", c.settings.DataDir)}
}
