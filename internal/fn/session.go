package fn

import "time"

// zone is the session's time zone.
func (c *Ctx) zone() *time.Location {
	if c.Zone == nil {
		return time.UTC
	}
	return c.Zone
}
