package lockout

import "time"

// doubling is first for step 0 and doubles with each further step, at most max.
func doubling(first, most time.Duration, step int) time.Duration {
	for d := first; ; d *= 2 {
		if d >= most {
			return most
		}
		if step == 0 {
			return d
		}
		step--
	}
}

// wait is what w wrong codes in a row cost at a door.
func (o *Options) wait(anyDoor bool, w int) time.Duration {
	switch {
	case w < o.WaitFrom:
		return 0
	case anyDoor && w >= o.CloseFrom:
		return doubling(o.CloseFirst, o.CloseMax, w-o.CloseFrom)
	default:
		return doubling(o.WaitFirst, o.WaitMax, w-o.WaitFrom)
	}
}
