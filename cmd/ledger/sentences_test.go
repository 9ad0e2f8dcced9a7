package main

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/order-ledger/order-ledger/eventstore/node"
)

// TestSentences_NameTheCauseAndTheNextStep runs commands where something is not as it should be.
func TestSentences_NameTheCauseAndTheNextStep(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	lost := filepath.Join(dir, "lost") // a log without what names its files
	for _, name := range []string{"events/000004.sst", "notes/readme.txt"} {
		path := filepath.Join(lost, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	fresh := filepath.Join(dir, "fresh")
	for _, c := range []struct {
		name string
		args []string
		code int
		says string
	}{
		{"DatabaseIsDown", []string{"order", "show", "x", "--database-url", "postgres://kim@127.0.0.1:1/ledger"}, exitFailed,
			"no PostgreSQL answers at 127.0.0.1:1 (connection refused): start it, or correct the URL of the database"},
		{"DatabaseIsNone", []string{"order", "show", "x", "--database-url", "mysql://kim@db/ledger"}, exitFailed, "like postgres://USER:PASSWORD@HOST:5432/DATABASE"},
		{"EventStoreIsNone", []string{"status", "--eventstore", "embeded"}, exitFailed, "--eventstore (LEDGER_EVENTSTORE) is embedded, or a connection string"},
		{"CopyOfNothing", []string{"copy-log", "--from", filepath.Join(dir, "from"), "--to", filepath.Join(dir, "to")}, exitNotFound, "there is no event log in " + filepath.Join(dir, "from")},
		{"RestoreOfNothing", []string{"restore", filepath.Join(lost, "notes")}, exitNotFound, "there is no event log in " + filepath.Join(lost, "notes")},
		{"VerifyOfNothing", []string{"verify", filepath.Join(dir, "from")}, exitNotFound, "there is no event log in "},
		{"LogLost", []string{"status", "--data-dir", lost}, exitFailed, "bring the file back, or restore a backup"},
		{"FrozenCopyIsLedger", []string{"rebuild", "--as-of", "2026-10-31", "--into", "ledger"}, exitUsage, "it is not ledger"},
		{"FrozenCopyAsOfSoon", []string{"rebuild", "--as-of", "soon", "--into", "month"}, exitUsage, `--as-of: "soon" is no position`},
		{"DropOfNoName", []string{"rebuild", "drop", "--into", "pg_x"}, exitUsage, "does not begin with ledger_data or pg_"},
		{"ByWithoutAsOf", []string{"order", "show", "x", "--by", "occurred"}, exitUsage, "--by tells which time --as-of means"},
		{"PortIsNone", []string{"serve", "--http", "127.0.0.1:99999", "--eventstore-listen", "off"}, exitFailed, "choose another --http"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			code, _, errs := call(t, append([]string{"--data-dir", fresh + c.name}, c.args...)...)
			if last := lastLine(errs); code != c.code || !strings.Contains(last, c.says) {
				t.Errorf("exit code %d, says %q; want %d and %q", code, last, c.code, c.says)
			}
		})
	}
	t.Cleanup(func() {
		for _, name := range []string{"from", "to"} {
			if _, err := os.Stat(filepath.Join(dir, name)); err == nil {
				t.Errorf("a log that does not exist was made: %s", name)
			}
		}
		if left, err := os.ReadDir(filepath.Join(lost, "events")); err != nil || len(left) == 0 {
			t.Errorf("what was left of the log is gone: %v, %v", left, err)
		}
	})
}

func lastLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return lines[len(lines)-1]
}

// TestBackup_ForMachines copies a log and brings it back, with answers for scripts.
func TestBackup_ForMachines(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	n, err := node.Open(node.Options{Dir: filepath.Join(dir, "data", "events")})
	if err != nil {
		t.Fatal(err)
	}
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	copied, restored := filepath.Join(dir, "copy"), filepath.Join(dir, "restored")
	for _, c := range []struct {
		args []string
		says string
	}{
		{[]string{"backup", copied, "--data-dir", filepath.Join(dir, "data"), "--json"}, `"dir": "` + copied},
		{[]string{"restore", copied, "--data-dir", restored, "--json"}, `"events": 0`},
	} {
		code, out, errs := call(t, c.args...)
		if code != exitOK || !json.Valid([]byte(out)) || !strings.Contains(out, c.says) {
			t.Errorf("ledger %v: exit code %d, %q, %s", c.args, code, out, errs)
		}
	}
}

// TestKeysRestore_OfAnEarlierVersion brings back a copy of keys as earlier versions keep them: of files only, without
// sheets. A folder without keys is no copy, and none is made of a data directory that is not there.
func TestKeysRestore_OfAnEarlierVersion(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	data, copied := filepath.Join(dir, "data"), filepath.Join(dir, "copy")
	n, err := node.Open(node.Options{Dir: filepath.Join(data, "events")})
	if err != nil {
		t.Fatal(err)
	}
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	const key = "ledger-key-1\nwrapped"
	name := filepath.Join("orders", "01M8K95NACJ2K81W3XEWHZYATX")
	if err := errors.Join(os.MkdirAll(filepath.Join(copied, "orders"), 0o700), os.WriteFile(filepath.Join(copied, name), []byte(key), 0o600)); err != nil {
		t.Fatal(err)
	}
	if code, _, errs := call(t, "keys", "restore", copied, "--data-dir", data); code != exitOK {
		t.Errorf("exit code %d: %s", code, errs)
	}
	if restored, err := os.ReadFile(filepath.Join(data, "keys", name)); err != nil || string(restored) != key {
		t.Errorf("restored %q, %v", restored, err)
	}
	for _, args := range [][]string{{"restore", dir, "--data-dir", data}, {"backup", copied, "--data-dir", filepath.Join(dir, "other")}} {
		if code, _, errs := call(t, append([]string{"keys"}, args...)...); code != exitNotFound {
			t.Errorf("ledger keys %v: exit code %d, %s", args, code, errs)
		}
	}
}
