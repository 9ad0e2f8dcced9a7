package localpg

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"strconv"
	"strings"
)

// account is the operating-system user that the server runs as. The zero value means: as ourselves.
type account struct {
	name     string
	uid, gid uint32
	switched bool // we are root and have to become this user
}

// serverAccount chooses the user for a cluster. PostgreSQL refuses to run as root, so for root it is
// the owner of the cluster when there is one, else the user postgres, else nobody.
func serverAccount(cluster string) (account, error) {
	if os.Geteuid() != 0 {
		return account{}, nil
	}
	if info, err := os.Stat(cluster); err == nil {
		if uid, gid, ok := ownerOf(info); ok && uid != 0 {
			return account{name: accountName(uid), uid: uid, gid: gid, switched: true}, nil
		}
	}
	for _, name := range []string{"postgres", "_postgres", "nobody"} {
		found, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, errUID := strconv.ParseInt(found.Uid, 10, 64)
		gid, errGID := strconv.ParseInt(found.Gid, 10, 64)
		if err := errors.Join(errUID, errGID); err != nil {
			return account{}, fmt.Errorf("read the numbers of user %s: %w", name, err)
		}
		// macOS writes nobody as -2: the conversion to 32 bits is meant.
		return account{name: name, uid: uint32(uid), gid: uint32(gid), switched: true}, nil
	}
	return account{}, errors.New("PostgreSQL refuses to run as root, and this system has neither " +
		"a user postgres nor a user nobody to run it as: create one (useradd postgres) " +
		"or run the ledger as another user")
}

func accountName(uid uint32) string {
	id := strconv.FormatUint(uint64(uid), 10)
	if found, err := user.LookupId(id); err == nil {
		return found.Username
	}
	return id
}

// prepare makes a command run as the account, outside of the ledger's process group (so that Ctrl-C
// in a terminal does not reach it), from the root directory (which every user may enter) and without
// the environment variables that change what PostgreSQL does. further are added.
func (a account) prepare(command *exec.Cmd, further ...string) {
	command.Dir = "/"
	a.runAs(command)
	for _, entry := range os.Environ() {
		if !strings.HasPrefix(entry, "PG") && !strings.HasPrefix(entry, "LC_") &&
			!strings.HasPrefix(entry, "LANG") && !strings.HasPrefix(entry, "TZ=") {
			command.Env = append(command.Env, entry)
		}
	}
	command.Env = append(command.Env, "LC_ALL=C", "TZ=UTC")
	command.Env = append(command.Env, further...)
}

// own gives a file to the account.
func (a account) own(path string) error {
	if !a.switched {
		return nil
	}
	return os.Lchown(path, int(a.uid), int(a.gid))
}

// reaches tells whether the account can enter a directory. It tries it, because permissions, access
// lists and mount options cannot be judged from outside.
func (a account) reaches(ctx context.Context, dir string) bool {
	if !a.switched {
		return true
	}
	command := exec.CommandContext(ctx, "/bin/sh", "-c", `cd -- "$1"`, "sh", dir)
	a.prepare(command)
	return command.Run() == nil
}
