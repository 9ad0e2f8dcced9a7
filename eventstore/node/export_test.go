package node

// VerifyFS is Verify on any file system, for the crash tests.
var VerifyFS = verifyFS

// Queued is the number of appends that wait for the decider.
func (n *Node) Queued() int {
	n.queue.mu.Lock()
	defer n.queue.mu.Unlock()
	return len(n.queue.waiting)
}
