package localpg

// lowest is the priority of background processes, as nice(1) counts.
const lowest = 19

// Background has the operating system run the server's process of a connection only when nothing else wants the processor, for as
// long as that process lives. pid is what the server said when the connection was made, which has to be open still. It does what
// can be done, which is nothing outside of Linux, and nothing else depends on it.
func (s *Server) Background(pid int) {
	if file, err := readPostmasterFile(s.place.cluster()); err != nil || !isChild(pid, file.pid) {
		return
	}
	lower(pid)
}
