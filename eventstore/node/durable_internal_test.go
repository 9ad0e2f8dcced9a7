package node

import (
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// TestCreateDir_SurvivesPowerLoss: a new directory, and those above that are new too, are there when the power fails.
func TestCreateDir_SurvivesPowerLoss(t *testing.T) {
	t.Parallel()
	disk := vfs.NewCrashableMem()
	if err := disk.MkdirAll("/old", 0o700); err != nil {
		t.Fatal(err)
	}
	if err := syncDir(disk, "/"); err != nil {
		t.Fatal(err)
	}
	if err := createDir(disk, "/old/made/by/open"); err != nil {
		t.Fatal(err)
	}
	left := disk.CrashClone(vfs.CrashCloneCfg{})
	if info, err := left.Stat("/old/made/by/open"); err != nil || !info.IsDir() {
		t.Errorf("after a power failure: %v", err)
	}
}
