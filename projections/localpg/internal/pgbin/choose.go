package pgbin

import (
	"context"
	"fmt"
	"strings"
)

// Request says which installation is wanted.
type Request struct {
	// Major is the version that an existing cluster was made by; 0 = any, the newest.
	Major int
	// Dir is the directory of the cluster, for messages.
	Dir string
	// Progress receives a line before a download.
	Progress func(line string)
	// Download is where to get what is not installed; nil = not allowed.
	Download *Downloader
}

// Choose finds the installation to use and downloads one when none fits. The error is a *MissingError.
func Choose(ctx context.Context, m Machine, r Request) (Binaries, error) {
	var extra []string
	if r.Download != nil { // what was downloaded before
		if dir, err := r.Download.Dir(r.Major); err == nil {
			extra = append(extra, dir)
		}
	}
	installed := Find(ctx, m, extra...)
	if b, ok := pick(installed, r.Major); ok {
		return b, nil
	}
	var failed error
	if r.Download != nil {
		r.Progress("no fitting PostgreSQL server is installed: downloading one, once")
		var dir string
		if dir, failed = r.Download.Download(ctx, r.Major); failed == nil {
			if b, ok := pick(Find(ctx, m, dir), r.Major); ok {
				return b, nil
			}
			failed = fmt.Errorf("the programs in %s do not run here", dir)
		}
	}
	return Binaries{}, &MissingError{
		Dir: r.Dir, Major: r.Major, Installed: installed, Hint: Hint(m, r.Major), Download: failed,
	}
}

func pick(installed []Binaries, major int) (Binaries, bool) {
	for _, b := range installed {
		if major == 0 || b.Major == major {
			return b, true
		}
	}
	return Binaries{}, false
}

// MissingError says, in one sentence, that no PostgreSQL server can be run and what to do about it.
type MissingError struct {
	// Dir is the directory of the cluster and Major its version; 0 = there is none so far.
	Dir   string
	Major int
	// Installed is what was found and does not fit.
	Installed []Binaries
	// Hint says how to install what is missing on this system.
	Hint string
	// Download is why the download failed; nil when it was not tried.
	Download error
}

func (e *MissingError) Error() string {
	var text strings.Builder
	if e.Major == 0 {
		text.WriteString("no PostgreSQL server is installed on this machine")
	} else {
		fmt.Fprintf(&text, "the database in %s was made by PostgreSQL %d, which is not installed", e.Dir, e.Major)
	}
	if len(e.Installed) > 0 {
		versions := make([]string, len(e.Installed))
		for i, b := range e.Installed {
			versions[i] = b.Version
		}
		fmt.Fprintf(&text, " (found: %s)", strings.Join(versions, ", "))
	}
	if e.Download != nil {
		fmt.Fprintf(&text, " and could not be downloaded (%v)", e.Download)
	}
	fmt.Fprintf(&text, ": %s, or set LEDGER_DATABASE_URL to a PostgreSQL database that you have", e.Hint)
	if e.Major != 0 {
		text.WriteString(", or delete that directory (the ledger rebuilds it from the event log)")
	}
	return text.String()
}

// Unwrap returns why the download failed.
func (e *MissingError) Unwrap() error { return e.Download }
