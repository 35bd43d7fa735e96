//go:build !linux

package caller

import "context"

// Load returns ErrNeedsLinux.
func Load(context.Context, LoadOptions) (*LoadReport, error) { return nil, ErrNeedsLinux }
