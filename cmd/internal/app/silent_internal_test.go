package app

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/url"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/order-ledger/order-ledger/cmd/internal/config"
	"github.com/order-ledger/order-ledger/projections/localpg/pgtest"
)

// hanging forwards connections to the database at a URL until it hangs; then it takes connections and says nothing.
func hanging(t *testing.T, to string) (at string, hang func()) {
	t.Helper()
	u, err := url.Parse(to)
	if err != nil {
		t.Fatal(err)
	}
	real := u.Host
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			t.Cleanup(func() { _ = client.Close() })
			if ctx.Err() != nil {
				continue
			}
			server, err := net.Dial("tcp", real)
			if err != nil {
				return
			}
			t.Cleanup(func() { _ = server.Close() })
			go func() { _, _ = io.Copy(server, client) }()
			go func() { _, _ = io.Copy(whileNot{ctx, client}, server) }()
		}
	}()
	t.Cleanup(func() { stop(); _ = listener.Close(); <-done })
	u.Host = listener.Addr().String()
	return u.String(), stop
}

// whileNot loses what is written after ctx has ended.
type whileNot struct {
	ctx context.Context
	to  io.Writer
}

func (w whileNot) Write(b []byte) (int, error) {
	select {
	case <-w.ctx.Done():
		return len(b), nil
	default:
		return w.to.Write(b)
	}
}

func TestWhileItAnswers_AHangingDatabaseEndsTheWork(t *testing.T) {
	t.Parallel()
	at, hang := hanging(t, pgtest.URL(t))
	d := NewDatabase(config.Settings{DataDir: t.TempDir(), DatabaseURL: at}, slog.New(slog.DiscardHandler), nil)
	d.url = at
	close(d.ready)
	d.firstAnswer, d.silenceMost = 2*time.Second, 500*time.Millisecond
	began := time.Now()
	err := d.WhileItAnswers(t.Context(), func(ctx context.Context) error {
		conn, err := pgx.Connect(ctx, at)
		if err != nil {
			return err
		}
		hang()
		_, err = conn.Exec(ctx, "SELECT 1")
		return err
	})
	var silent *SilentError
	if !errors.As(err, &silent) || silent.Address == "" {
		t.Errorf("while it works: error %v", err)
	}
	if err := d.WhileItAnswers(t.Context(), func(context.Context) error { return nil }); !errors.As(err, &silent) {
		t.Errorf("before it works: error %v", err)
	}
	if took := time.Since(began); took > time.Minute {
		t.Errorf("it took %s", took)
	}
}

func TestWhileItAnswers_OtherErrorsAreTheWorks(t *testing.T) {
	t.Parallel()
	at := pgtest.URL(t)
	d := NewDatabase(config.Settings{DataDir: t.TempDir(), DatabaseURL: at}, slog.New(slog.DiscardHandler), nil)
	d.url = at
	close(d.ready)
	broken := errors.New("broken")
	if err := d.WhileItAnswers(t.Context(), func(context.Context) error { return broken }); !errors.Is(err, broken) {
		t.Errorf("error %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	err := d.WhileItAnswers(ctx, func(ctx context.Context) error { cancel(); <-ctx.Done(); return ctx.Err() })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("a caller that gives up: error %v", err)
	}
}
