package pin

// number reads digits as one number.
func number(digits []byte) (n int) {
	for _, c := range digits {
		n = 10*n + int(c-'0')
	}
	return n
}

// isDate tells whether digits are a date of one of the usual shapes: DDMM, MMDD, a
// year from 1900 to 2099, DDMMYY, MMDDYY, YYMMDD, YYYYMM.
func isDate(digits []byte) bool {
	switch len(digits) {
	case 4:
		return isYear(digits) || isDay(digits[:2], digits[2:], true) || isDay(digits[2:], digits[:2], true)
	case 6:
		return isYear(digits[:4]) && isMonth(digits[4:]) ||
			isDay(digits[:2], digits[2:4], couldLeap(digits[4:])) ||
			isDay(digits[2:4], digits[:2], couldLeap(digits[4:])) ||
			isDay(digits[4:], digits[2:4], couldLeap(digits[:2]))
	}
	return false
}

func isYear(digits []byte) bool {
	century := number(digits[:2])
	return century == 19 || century == 20
}

func isMonth(digits []byte) bool {
	m := number(digits)
	return m >= 1 && m <= 12
}

// isDay tells whether there is such a day of that month.
func isDay(day, month []byte, leap bool) bool {
	if !isMonth(month) {
		return false
	}
	d := number(day)
	return d >= 1 && d <= daysOf(number(month), leap)
}

// daysOf is how many days a month has, 1 to 12.
func daysOf(month int, leap bool) int {
	switch month {
	case 4, 6, 9, 11:
		return 30
	case 2:
		if leap {
			return 29
		}
		return 28
	}
	return 31
}

// couldLeap tells whether a year of two digits was or will be a leap year in one of
// the centuries 1900 and 2000: 1900 was none, 2000 was one.
func couldLeap(year []byte) bool { return number(year)%4 == 0 }
