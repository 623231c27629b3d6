package stream

func newSession(s *groupSpec, final bool, out Output) operator { return nil }
