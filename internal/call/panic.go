package call

import (
	"fmt"
	"runtime"
	"strings"
)

// Survived describes what a recover caught for the log: the panic's type and the
// functions and lines it went through. Neither its value nor any argument, which
// a whole stack would show: either can hold digits of a code.
func Survived(cause any) error {
	var pcs [32]uintptr
	frames := runtime.CallersFrames(pcs[:runtime.Callers(3, pcs[:])])
	var b strings.Builder
	for {
		f, more := frames.Next()
		fmt.Fprintf(&b, " %s:%d", f.Function, f.Line)
		if !more {
			return fmt.Errorf("panic of type %T at%s", cause, b.String())
		}
	}
}
