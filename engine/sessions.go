package engine

import "sync"

// sessions are the open sessions of a node, for pg_stat_activity.
type sessions struct {
	mu   sync.Mutex
	open map[uint32]*session
}

func (l *sessions) add(s *session) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open == nil {
		l.open = map[uint32]*session{}
	}
	l.open[s.start.PID] = s
}

func (l *sessions) remove(s *session) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.open, s.start.PID)
}
