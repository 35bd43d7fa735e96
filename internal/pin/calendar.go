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
				r.add(written(form, [256]int{'Y': year, 'y': year, 'M': month, 'D': day, 'x': other}))
			}
		}
	}
}

// written is a form with its numbers filled in; empty: one has too many digits.
func written(form string, numbers [256]int) string {
	code := make([]byte, len(form))
	for end := len(form); end > 0; {
		letter := form[end-1]
		begin := len(strings.TrimRight(form[:end], string(letter)))
		n := numbers[letter]
		for i := end - 1; i >= begin; i-- {
			code[i] = digit(n)
			n /= 10
		}
		if n > 0 && letter|0x20 != 'y' {
			return ""
		}
		end = begin
	}
	return string(code)
}
