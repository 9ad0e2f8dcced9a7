package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/order-ledger/order-ledger/eventstore"
)

// KnownExports are the files and folders that exports were written to, as the log says: here are those that are
// there now, on this machine; away are the others, which somebody moved, deleted or sent, and those of which earlier
// versions recorded the name only. A path that leads through a link by now is both: what is there may be another export.
func KnownExports(ctx context.Context, log eventstore.Reader) (here, away []string, err error) {
	for e, err := range log.ReadStream(ctx, exportsStream, eventstore.StreamRead{}) {
		if errors.Is(err, eventstore.ErrStreamNotFound) {
			break
		}
		if err != nil {
			return nil, nil, fmt.Errorf("read what was exported: %w", err)
		}
		var produced ExportProduced
		if json.Unmarshal(e.Data, &produced) != nil {
			continue
		}
		real, err := filepath.EvalSymlinks(produced.Path)
		found := err == nil && filepath.IsAbs(produced.Path)
		switch {
		case produced.Path == "":
			away = append(away, produced.name())
			continue
		case !found || real != filepath.Clean(produced.Path):
			away = append(away, produced.Path)
		}
		if found {
			here = append(here, real)
		}
	}
	slices.Sort(here)
	slices.Sort(away)
	return slices.Compact(here), slices.Compact(away), nil
}

// name is what the manifest calls an export whose place was not recorded.
func (e *ExportProduced) name() string {
	var m struct{ File, Lake string }
	switch err := json.Unmarshal(e.Manifest, &m); {
	case err == nil && m.File != "":
		return m.File
	case err == nil && m.Lake != "":
		return "lake " + m.Lake
	}
	return "an export"
}
