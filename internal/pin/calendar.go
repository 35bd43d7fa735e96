package pin

import "strings"

// years are from and to.
type years struct{ from, to int }

// Years of birth, of weddings and of children.
var (
	grownUp = years{1980, 1999}
	young   = years{2000, 2008}
	older   = years{1965, 1979}
	old     = years{1940, 1964}
	recent  = years{2009, 2029}
	first   = years{1900, 1939}
)

// dates are written as their countries do, with the year in two digits or in four.
func dates(r *ranking) {
	switch r.size {
	case 4:
		for _, when := range [...]years{grownUp, older, young, old} {
			r.forms(when, "YYYY")
		}
		r.forms(years{2000, 2000}, "DDMM", "MMDD")
	case 5:
		r.forms(grownUp, "DMMYY", "DDMYY", "MDDYY")
	case 6:
		r.forms(grownUp, "DDMMYY", "MMDDYY", "xxYYYY", "YYYYxx")
		r.forms(young, "DDMMYY", "MMDDYY", "DMYYYY", "YYYYMD")
		r.forms(years{1950, 2029}, "MMYYYY", "YYYYMM", "YYYY00", "00YYYY", "YYYYyy", "yyYYYY")
	case 7:
		r.forms(grownUp, "DMMYYYY", "DDMYYYY", "MDDYYYY")
		r.forms(young, "DMMYYYY", "DDMYYYY", "MDDYYYY")
	case 8:
		r.forms(grownUp, "DDMMYYYY", "MMDDYYYY", "YYYYMMDD")
		r.forms(young, "DDMMYYYY", "MMDDYYYY", "YYYYMMDD")
	}
}

// otherDates are those of fewer people, and of fewer countries.
func otherDates(r *ranking) {
	switch r.size {
	case 4:
		r.forms(recent, "YYYY")
		r.forms(first, "YYYY")
	case 6:
		r.forms(years{1987, 1993}, "YYMMDD")
		for _, when := range [...]years{older, recent, old} {
			r.forms(when, "DDMMYY", "MMDDYY", "DMYYYY", "YYYYMD")
		}
	case 7:
		r.forms(older, "DMMYYYY", "DDMYYYY", "MDDYYYY")
	case 8:
		for _, when := range [...]years{older, old, recent} {
			r.forms(when, "DDMMYYYY", "MMDDYYYY", "YYYYMMDD")
		}
	}
}

// forms adds the dates of some years as forms write them: D, M, Y are day, month and
// year, one letter a digit; y is the year once more, x any number, 0 itself. A number
// that has more digits than letters is left out, but for the century of a year.
func (r *ranking) forms(when years, forms ...string) {
	for year := when.to; year >= when.from && !r.full(); year-- {
		for _, form := range forms {
			r.form(form, year)
		}
	}
}

func (r *ranking) form(form string, year int) {
	months, days, others := 1, 1, 1
	if strings.Contains(form, "M") {
		months = 12
	}
	if strings.Contains(form, "x") {
		others = 100
	}
	for month := 1; month <= months; month++ {
		if strings.Contains(form, "D") {
			days = daysOf(month, year%4 == 0)
		}
		for day := 1; day <= days; day++ {
			for other := range others {
				r.add(date{year, month, day, other}.written(form))
			}
		}
	}
}

// date has another number beside it, for the forms that ask for one.
type date struct{ year, month, day, other int }

// written fills in a form; empty: a number has too many digits.
func (d date) written(form string) string {
	code := []byte(form)
	for end := len(form); end > 0; {
		letter, n := form[end-1], 0
		switch letter {
		case 'Y', 'y':
			n = d.year
		case 'M':
			n = d.month
		case 'D':
			n = d.day
		case 'x':
			n = d.other
		}
		for ; end > 0 && form[end-1] == letter; end-- {
			code[end-1] = digit(n)
			n /= 10
		}
		if n > 0 && n != d.year/100 {
			return ""
		}
	}
	return string(code)
}
