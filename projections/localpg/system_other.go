//go:build !unix

package localpg

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
)

// supported tells that a private server cannot be run on this operating system: it has neither the
// shell that ends the server when the ledger dies, nor the file locks. Start says so before any of
// the functions below is called.
const supported = false

func ownerOf(fs.FileInfo) (uid, gid uint32, ok bool) { return 0, 0, false }

func (account) runAs(*exec.Cmd) {}

func processExists(int) bool { return true }

func shutdown(int, bool) error { return errors.ErrUnsupported }

func tryLock(*os.File) (bool, error) { return false, errors.ErrUnsupported }

func isChild(int, int) bool { return false }

func lower(int) {}

func removeEmptyDir(string) error { return errors.ErrUnsupported }
