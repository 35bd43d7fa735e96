package pin

// Policy is one set of rules for new codes. The zero value accepts any digits.
type Policy struct {
	MinLen, MaxLen int // digits
	MaxSameRun     int // longest block of equal digits; 0: no rule
	MaxSequence    int // longest block rising or falling by one; 0: no rule
	OwnNumber      bool
	Current        bool // refuse the current code and its reverse
}
