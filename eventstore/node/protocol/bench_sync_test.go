//go:build unix

package protocol_test

import (
	"os"
	"path/filepath"
)

// onlySyncs is the least that durability costs: what is queued is written to one file, which is synced
// once for all of it.
type onlySyncs struct {
	queue chan syncRequest
}

type syncRequest struct {
	size int // bytes
	done chan error
}

// syncQueue is the most requests that wait for the next sync.
const syncQueue = 1024

// newOnlySyncs makes the file in dir. It works until the process ends.
func newOnlySyncs(dir string) (*onlySyncs, error) {
	file, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		return nil, err
	}
	s := &onlySyncs{queue: make(chan syncRequest, syncQueue)}
	go s.run(file)
	return s, nil
}

func (s *onlySyncs) write(size int) error {
	r := syncRequest{size: size, done: make(chan error, 1)}
	s.queue <- r
	return <-r.done
}

func (s *onlySyncs) run(file *os.File) {
	for first := range s.queue {
		group, size := []syncRequest{first}, first.size
		for len(s.queue) > 0 {
			r := <-s.queue
			group, size = append(group, r), size+r.size
		}
		_, err := file.Write(make([]byte, size))
		if err == nil {
			err = file.Sync()
		}
		for _, r := range group {
			r.done <- err
		}
	}
}
