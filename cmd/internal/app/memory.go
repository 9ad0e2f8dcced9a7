package app

import (
	"runtime/debug"
	"sync"
)

// RebuildMemory is where the garbage collector works harder while a rebuild is at work. It is no hard bound.
const RebuildMemory = 1 << 30

// room is what rebuilds at work have set for the whole process.
var room struct {
	mu       sync.Mutex
	rebuilds int
	before   int64
}

// makeRoom lets the process use RebuildMemory until done is called. A rebuild keeps a hundred megabytes; where the limit is little
// above that, the collector runs without end beside it, and whatever else the process does waits for the processors.
func makeRoom() (done func()) {
	room.mu.Lock()
	defer room.mu.Unlock()
	if room.rebuilds++; room.rebuilds == 1 {
		room.before = debug.SetMemoryLimit(-1)
		debug.SetMemoryLimit(max(room.before, RebuildMemory))
	}
	return sync.OnceFunc(func() {
		room.mu.Lock()
		defer room.mu.Unlock()
		if room.rebuilds--; room.rebuilds == 0 {
			debug.SetMemoryLimit(room.before)
		}
	})
}
