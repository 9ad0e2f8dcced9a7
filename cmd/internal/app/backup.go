package app

import (
	"errors"
	"fmt"
	"path/filepath"
)

// ErrBackupDir says that a backup may not be made in a folder.
var ErrBackupDir = errors.New("a backup cannot be made there")

// CheckBackupDir tells whether a backup may be made in dir: outside of the data directory, where the next
// restore or clean-up would take it along. below, when not empty, is the folder that it must be in. Links are
// followed; both folders and the parent of dir must exist. Errors are ErrBackupDir.
func CheckBackupDir(dir, dataDir, below string) error {
	parent, err := filepath.EvalSymlinks(filepath.Dir(dir))
	if err != nil {
		return fmt.Errorf("%w: %w", ErrBackupDir, err)
	}
	dir = filepath.Join(parent, filepath.Base(dir))
	in, err := within(dir, dataDir)
	if err == nil && in {
		err = errors.New("it is inside the data directory")
	}
	if err == nil && below != "" {
		if in, err = within(dir, below); err == nil && !in {
			err = errors.New("it is not in the folder of backups that is configured")
		}
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrBackupDir, err)
	}
	return nil
}

// within tells whether dir, without links, is root or inside of it.
func within(dir, root string) (bool, error) {
	root, err := filepath.Abs(root)
	if err == nil {
		root, err = filepath.EvalSymlinks(root)
	}
	if err != nil {
		return false, err
	}
	relative, err := filepath.Rel(root, dir)
	return err == nil && filepath.IsLocal(relative), err
}
