// Package sqlkit opens SQL databases with the right pragmas and runs migrations; it knows no table.
package sqlkit
