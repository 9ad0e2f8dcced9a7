package export

import (
	"crypto/sha256"
	"encoding"
	"hash"
	"os"
	"sync"
)

// output writes and hashes a file beside whoever makes its content. It belongs to one goroutine; it must be
// ended.
type output struct {
	file   *os.File
	hash   hash.Hash
	bytes  int64
	steps  chan step
	empty  chan []byte
	ended  chan struct{}
	synced sync.WaitGroup // of the one sync that is under way

	mu  sync.Mutex
	err error // the first one; what comes after it is not written
}

// step is content to write, or what to do when all content before it is on disk.
type step struct {
	text []byte
	save func(bytes int64, hash []byte) error
}

// outputSteps bounds what waits to be written, in buffers of the encoders.
const outputSteps = 8

// newOutput goes on with a file after its first bytes, which the hash has seen.
func newOutput(file *os.File, h hash.Hash, bytes int64) *output {
	o := &output{file: file, hash: h, bytes: bytes, steps: make(chan step, outputSteps), empty: make(chan []byte, outputSteps), ended: make(chan struct{})}
	for range outputSteps {
		o.empty <- nil
	}
	go o.run()
	return o
}

func (o *output) run() {
	defer close(o.ended)
	defer o.synced.Wait()
	for s := range o.steps {
		if o.failed() == nil {
			o.fail(o.step(s))
		}
		if s.text != nil {
			o.empty <- s.text
		}
	}
}

func (o *output) step(s step) error {
	if s.save != nil {
		return o.save(s.save)
	}
	n, err := o.file.Write(s.text)
	o.bytes += int64(n)
	_, _ = o.hash.Write(s.text) // never fails
	return err
}

// Write takes a copy, and tells an error of earlier ones.
func (o *output) Write(text []byte) (int, error) {
	if err := o.failed(); err != nil || len(text) == 0 {
		return 0, err
	}
	o.steps <- step{text: append((<-o.empty)[:0], text...)}
	return len(text), nil
}

// whenDurable calls save when all that was written before is on disk, with the number of bytes and the state of
// their hash. Writing goes on meanwhile; one at a time is under way.
func (o *output) whenDurable(save func(bytes int64, hash []byte) error) { o.steps <- step{save: save} }

func (o *output) save(save func(bytes int64, hash []byte) error) error {
	o.synced.Wait()
	bytes := o.bytes
	state, err := hashState(o.hash)
	if err != nil {
		return err
	}
	o.synced.Go(func() {
		err := o.file.Sync()
		if err == nil {
			err = save(bytes, state)
		}
		o.fail(err)
	})
	return nil
}

// end waits until all is written. Nothing may be written after it.
func (o *output) end() error {
	close(o.steps)
	<-o.ended
	return o.failed()
}

func (o *output) failed() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.err
}

func (o *output) fail(err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.err == nil {
		o.err = err
	}
}

// newHash is one that resumeHash can go on with.
func newHash() hash.Hash { return sha256.New() }

// resumeHash takes up what hashState told.
func resumeHash(state []byte) (hash.Hash, bool) {
	h := newHash()
	into, ok := h.(encoding.BinaryUnmarshaler)
	return h, ok && into.UnmarshalBinary(state) == nil
}

func hashState(h hash.Hash) ([]byte, error) {
	return h.(encoding.BinaryMarshaler).MarshalBinary() //nolint:forcetypeassert // sha256's documentation promises it
}
