package strictyaml

import (
	"errors"
	"fmt"
)

// Under puts a key before each complaint of a section's owner, so that "port is 0" in
// the section sip becomes "sip.port is 0". Joined errors are several complaints.
func Under(key string, err error) error {
	if err == nil {
		return nil
	}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		var all []error
		for _, e := range joined.Unwrap() {
			all = append(all, Under(key, e))
		}
		return errors.Join(all...)
	}
	return fmt.Errorf("%s.%w", key, err)
}
