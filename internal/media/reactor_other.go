//go:build !linux

package media

import "errors"

// reactorFirst: what EngineAuto means here.
const reactorFirst = false

// newReactor refuses: the reactor stands on epoll.
func newReactor(Options) (Engine, error) {
	return nil, errors.New("it is for Linux")
}
