//go:build unix

package localpg

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// supported tells that a private server can be run on this operating system.
const supported = true

// ownerOf returns the user and group that a file belongs to.
func ownerOf(info fs.FileInfo) (uid, gid uint32, ok bool) {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, 0, false
	}
	return stat.Uid, stat.Gid, true
}

// runAs makes a command run as the account, in a process group of its own, whole of which is killed
// when the command's context ends.
func (a account) runAs(command *exec.Cmd) {
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if a.switched {
		command.SysProcAttr.Credential = &syscall.Credential{Uid: a.uid, Gid: a.gid}
	}
	if command.Cancel != nil {
		command.Cancel = func() error { return syscall.Kill(-command.Process.Pid, syscall.SIGKILL) }
	}
}

// processExists tells whether there is a process with this id, whosever it is.
func processExists(pid int) bool {
	err := syscall.Kill(pid, 0)
	return err == nil || errors.Is(err, syscall.EPERM)
}

// shutdown asks a server to end: fast, or else at once. A process that is gone is no error.
func shutdown(pid int, fast bool) error {
	signal := syscall.SIGQUIT
	if fast {
		signal = syscall.SIGINT
	}
	if err := syscall.Kill(pid, signal); err != nil && !errors.Is(err, syscall.ESRCH) {
		return err
	}
	return nil
}

// lower gives a process the lowest priority.
func lower(pid int) {
	// Who may not, as a server that runs as somebody else, goes without.
	_ = syscall.Setpriority(syscall.PRIO_PROCESS, pid, lowest)
	// Linux may share the processors among sessions first, whatever the priority of their processes is. Each process of a
	// server is the only one of its session.
	if session, ok := statOf(pid, 3); ok && session == pid {
		_ = os.WriteFile(filepath.Join("/proc", strconv.Itoa(pid), "autogroup"), []byte(strconv.Itoa(lowest)), 0)
	}
}

// isChild tells whether a process is a child of another; false where nobody says so, as outside of Linux.
func isChild(pid, parent int) bool {
	found, ok := statOf(pid, 1)
	return ok && found == parent
}

// statOf reads a number of /proc/PID/stat; field counts from the state, which comes after the name, from 0.
func statOf(pid, field int) (n int, ok bool) {
	content, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return 0, false
	}
	// The name is in parentheses and may be anything.
	text := string(content)
	fields := strings.Fields(text[strings.LastIndexByte(text, ')')+1:])
	if len(fields) <= field {
		return 0, false
	}
	n, err = strconv.Atoi(fields[field])
	return n, err == nil
}

// tryLock takes an exclusive lock on a file without waiting.
func tryLock(file *os.File) (bool, error) {
	err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("lock %s: %w", file.Name(), err)
	}
	return true, nil
}

// removeEmptyDir removes a directory; unlike os.Remove it never removes a symbolic link.
func removeEmptyDir(dir string) error {
	if err := syscall.Rmdir(dir); err != nil {
		return &fs.PathError{Op: "rmdir", Path: dir, Err: err}
	}
	return nil
}
