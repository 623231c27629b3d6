package pgwire

import (
	"context"

	"github.com/weirdb/weir/internal/pgerr"
)

func (c *conn) copyIn(ctx context.Context, p *portal, cp Copy) (string, error) {
	return "", pgerr.Newf(pgerr.FeatureNotSupported, "COPY FROM STDIN is not supported")
}
