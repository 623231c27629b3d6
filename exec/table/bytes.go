package table

// byteStates holds the byte strings of groups in one arena. A string that
// outgrows its room moves to the end; the arena is copied when half is garbage.
type byteStates struct {
	stride int // strings by group
	refs   []ref
	arena  []byte
	spare  []byte
	waste  int
}

// ref is a place in the arena with room for room bytes.
type ref struct {
	off       uint64
	len, room uint32
}

func (s *byteStates) size() int64 {
	return int64(cap(s.refs))*16 + int64(cap(s.arena)) + int64(cap(s.spare))
}

func (s *byteStates) reset() {
	s.refs, s.arena, s.waste = s.refs[:0], s.arena[:0], 0
}

// add makes the strings of a group empty.
func (s *byteStates) add(g uint32) {
	if s.stride == 0 {
		return
	}
	at := int(g) * s.stride
	s.refs = grown(s.refs, at+s.stride)
	clear(s.refs[at : at+s.stride])
}

// drop gives back the room of a group's strings.
func (s *byteStates) drop(g uint32) {
	at := int(g) * s.stride
	for i := range s.stride {
		s.waste += int(s.refs[at+i].room)
		s.refs[at+i] = ref{}
	}
}

func (s *byteStates) get(g uint32, j int) []byte {
	r := s.refs[int(g)*s.stride+j]
	return s.arena[r.off : r.off+uint64(r.len) : r.off+uint64(r.len)]
}

// set stores a copy of b, which may be a part of the arena.
func (s *byteStates) set(g uint32, j int, b []byte) {
	r := &s.refs[int(g)*s.stride+j]
	if len(b) <= int(r.room) {
		copy(s.arena[r.off:], b)
		r.len = uint32(len(b))
		return
	}
	s.waste += int(r.room)
	r.off, r.len = uint64(len(s.arena)), uint32(len(b))
	r.room = uint32(min(uint64(len(b))+uint64(len(b))/2+8, 1<<32-1)) // a string that grows once grows again
	s.arena = append(s.arena, b...)
	s.arena = grown(s.arena, int(r.off)+int(r.room))
	if s.waste > 64<<10 && s.waste > len(s.arena)/2 {
		s.compact()
	}
}

func (s *byteStates) compact() {
	to := s.spare[:0]
	for i := range s.refs {
		r := &s.refs[i]
		off := uint64(len(to))
		to = append(to, s.arena[r.off:r.off+uint64(r.room)]...)
		r.off = off
	}
	s.arena, s.spare, s.waste = to, s.arena[:0], 0
}
