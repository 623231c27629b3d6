package fn

import "github.com/weirdb/weir/internal/vec"

// Cast returns the function that turns values of one type into another, where
// the dialect allows it in this context. The modifiers of the target (varchar's
// length, a decimal's precision) reach the function in Call.Type. A source of
// kind Unknown is a literal's text.
func Cast(from, to vec.Type, d Dialect, how CastContext) (*Func, bool) {
	if !castable(from, to, d, how) {
		return nil, false
	}
	return nil, false
}
