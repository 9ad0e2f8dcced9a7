package localpg

import (
	"os"
	"path/filepath"
	"testing"
)

func TestWhyNot_FullDisk(t *testing.T) {
	t.Parallel()
	p := place{dir: t.TempDir()}
	log := `2026-11-29 18:25:17.412 UTC [1] @ LOG:  database system was not properly shut down; automatic recovery in progress
2026-11-29 18:25:17.413 UTC [2] ledger@ledger FATAL:  the database system is starting up
2026-11-29 18:25:17.414 UTC [3] ledger@ledger FATAL:  the database system is not yet accepting connections
2026-11-29 18:25:17.416 UTC [4] @ FATAL:  could not write to file "pg_wal/xlogtemp.4": No space left on device
2026-11-29 18:25:17.417 UTC [4] @ FATAL:  could not write to file "pg_wal/xlogtemp.4": No space left on device
`
	if err := os.WriteFile(filepath.Join(p.dir, "server.log"), []byte(log), 0o600); err != nil {
		t.Fatal(err)
	}
	want := "its disk is full: make room where " + p.dir + ` is (could not write to file "pg_wal/xlogtemp.4": No space left on device)`
	if got := p.whyNot(0); got != want {
		t.Errorf("whyNot = %q\nwant %q", got, want)
	}
}
