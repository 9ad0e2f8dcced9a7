package simulate

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// Files that WriteFiles makes, beside one "<gateway>.ndjson" for each gateway.
const (
	ExpectedFile      = "expected.ndjson"
	ExpectedOtherFile = "expected-other.ndjson"
)

// fileBufferBytes is how much of a file is held before it is written.
const fileBufferBytes = 1 << 18

// WriteFiles runs the simulation into files in dir, which it makes if need be:
// the gateways' bodies, one per line in the sequence of arrival, the rows of
// ledger.orders, and those of the other views. Files of the same names are
// replaced. It calls progress, if not nil, after every order with the number of
// orders done. It stops when ctx ends.
func WriteFiles(ctx context.Context, opts Options, dir string, progress func(done int)) (err error) {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return fmt.Errorf("make the simulation's directory: %w", err)
	}
	var files outputs
	defer func() { err = errors.Join(err, files.close()) }()
	bodies := map[string]*bufio.Writer{}
	for _, gateway := range []string{Decta, Everifin, ConnectPay} {
		if bodies[gateway], err = files.create(dir, gateway+".ndjson"); err != nil {
			return err
		}
	}
	orders, err := files.create(dir, ExpectedFile)
	if err != nil {
		return err
	}
	other, err := files.create(dir, ExpectedOtherFile)
	if err != nil {
		return err
	}
	done := 0
	return Run(opts, func(n Notification) error {
		return writeLine(bodies[n.Gateway], n.Body)
	}, func(e Expected) error {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("simulate: %w", err)
		}
		line, err := json.Marshal(e)
		if err != nil {
			return fmt.Errorf("encode the row of %s: %w", e.SourceOrderID, err)
		}
		done++
		if progress != nil {
			progress(done)
		}
		if e.View != "" {
			return writeLine(other, line)
		}
		return writeLine(orders, line)
	})
}

func writeLine(w *bufio.Writer, line []byte) error {
	if _, err := w.Write(line); err != nil {
		return fmt.Errorf("write a line: %w", err)
	}
	if err := w.WriteByte('\n'); err != nil {
		return fmt.Errorf("write a line: %w", err)
	}
	return nil
}

// outputs are open files with their buffers.
type outputs []output

type output struct {
	file   *os.File
	buffer *bufio.Writer
}

func (o *outputs) create(dir, name string) (*bufio.Writer, error) {
	f, err := os.Create(filepath.Join(dir, name))
	if err != nil {
		return nil, fmt.Errorf("create a simulation file: %w", err)
	}
	w := bufio.NewWriterSize(f, fileBufferBytes)
	*o = append(*o, output{file: f, buffer: w})
	return w, nil
}

func (o outputs) close() error {
	var errs []error
	for _, out := range o {
		errs = append(errs, out.buffer.Flush(), out.file.Close())
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("finish the simulation files: %w", err)
	}
	return nil
}
