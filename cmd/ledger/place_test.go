package main

import (
	"bytes"
	"log/slog"
	"os"
	"strings"
	"testing"

	"github.com/order-ledger/order-ledger/cmd/internal/config"
)

// A file that another user left is no reason not to serve.
func TestPublishPlace_ThatCannotBeWritten(t *testing.T) {
	t.Parallel()
	s := config.Settings{DataDir: t.TempDir()}
	if err := os.Mkdir(placeFile(s), 0o700); err != nil {
		t.Fatal(err)
	}
	var said bytes.Buffer
	publishPlace(s, "http://127.0.0.1:1", slog.New(slog.NewTextHandler(&said, nil)))()
	if !strings.Contains(said.String(), "commands do not find this ledger") {
		t.Errorf("said: %q", said.String())
	}
}
